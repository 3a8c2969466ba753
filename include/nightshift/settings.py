"""Where things live and run. One machine by default, a cluster by configuration alone.

Every field can be set by an environment variable: `NIGHTSHIFT_LANDING`, `NIGHTSHIFT_SPARK__MASTER`,
`NIGHTSHIFT_CATALOG__URI`, … (two underscores enter a group).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from nightshift.errors import TerminalError
from nightshift.redaction import SHORTEST, secret_texts, secret_variables
from nightshift.service_errors import explain_disk
from nightshift.settings_names import (
    PREFIX,
    first_blank,
    first_not_json,
    refuse_misspelt,
    setting_names,
    variable_of,
)

PROJECT = Path(__file__).resolve().parents[2]

WEEK = 7 * 86_400  # seconds
LEAST_DRIVER_MEMORY = 512 * 2**20  # bytes; Spark refuses a heap of less than 450 MiB
MEMORY = re.compile(r"([1-9]\d{0,6})([mg])b?", re.IGNORECASE)
Seconds = Annotated[float, Field(gt=0, le=WEEK, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=WEEK)]
Port = Annotated[int, Field(ge=1, le=65_535)]


def make_folder(folder: Path, fix: str) -> Path:
    """Makes a folder if it does not exist.

    Args:
        folder: The folder.
        fix: What to do if it cannot be made.

    Raises:
        FullDiskError: If no space is left on the disk.
        TerminalError: If it cannot be made for another reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if disk := explain_disk(error):
            raise disk from None
        raise TerminalError(
            "the folder cannot be made",
            where=str(folder),
            received=error.strerror,
            allowed="a folder that this user may write to",
            fix=fix,
        ) from None
    return folder


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogSettings(_Group):
    """The Iceberg catalog."""

    name: str = Field("nightshift", description="The catalog's name, the same for every process.")
    type: str = Field("sql", description="PyIceberg's type of catalog: `sql`, `glue`, `rest`, ….")
    uri: str | None = Field(
        None, repr=False, description="The catalog's address; default for `sql`: a SQLite file below `var`."
    )
    properties: dict[str, str] = Field({}, repr=False, description="Further properties of PyIceberg.")


class SparkSettings(_Group):
    """Where Spark jobs run and with what configuration."""

    master: str = Field(
        "local[*]",
        description="Where jobs run: `local[*]`, `spark://host:7077`, `yarn`, `k8s://https://host`, or "
        "`emr-serverless://` and an application's id.",
    )
    driver_memory: str = Field(
        "2g", description="Memory of each job's driver, such as `512m`, the least, or `4g`; in local mode, of the job."
    )
    driver_waits: int = Field(
        120,
        ge=0,
        le=WEEK,
        description="Seconds that a driver on this machine waits for the next job of a night before it ends; `0`: each "
        "job starts a driver of its own, as it does on a cluster.",
    )
    conf: dict[str, str] = Field(
        {}, repr=False, description="Further Spark configuration; it wins over what Nightshift sets."
    )
    class_archive: Path | None = Field(
        None,
        description="The JVM class archive, which halves the start of a job in local mode; default: beside the virtual "
        "environment.",
    )
    executors_within: WholeSeconds = Field(
        300, description="Seconds that a job on a cluster waits for an executor before it is given up."
    )
    code: str | None = Field(
        None, description="Where `nightshift deploy` puts what jobs run on EMR Serverless, such as s3://bucket/code."
    )

    @field_validator("driver_memory")
    @classmethod
    def _is_memory(cls, memory: str) -> str:
        size = MEMORY.fullmatch(memory)
        if not size or int(size[1]) * {"m": 2**20, "g": 2**30}[size[2].lower()] < LEAST_DRIVER_MEMORY:
            raise ValueError("not an amount of memory of at least 512m, such as 2g")
        return memory

    @property
    def is_local(self) -> bool:
        """Whether jobs run on this machine."""
        return self.master.startswith("local")

    @property
    def has_driver_here(self) -> bool:
        """Whether drivers of jobs run on this machine, and see its files."""
        return not self.master.startswith("emr-serverless://")


class EmrSettings(_Group):
    """EMR Serverless, where the master is `emr-serverless://…`; region and endpoint are AWS's own variables."""

    role_arn: str | None = Field(None, description="The role that jobs run as.")
    log_uri: str | None = Field(
        None, description="Where logs go, such as s3://bucket/logs; default: EMR's own storage."
    )
    packages: Literal["archive", "image"] = Field(
        "archive",
        description="Whether jobs find Python and its packages in the archive that `nightshift deploy` uploads, or in "
        "the application's image.",
    )
    start_within: WholeSeconds = Field(
        1800, description="Seconds that a job may wait to start before it is cancelled and reported."
    )
    poll: Seconds = Field(30, description="Longest time in seconds between two looks at a job.")


class SmtpSettings(_Group):
    """Mail for alerts. Nothing is sent while `host` is empty."""

    host: str | None = Field(None, description="The mail server; nothing is sent without it.")
    port: Port = Field(25, description="Its port.")
    sender: str = Field("nightshift@localhost", description="The sender.")
    to: list[str] = Field([], description='The recipients: `["on-call@example.com"]`.')
    user: str | None = Field(None, description="The login, if the server wants one.")
    password: SecretStr | None = Field(None, description="Its password.")
    starttls: bool = Field(False, description="Encrypt by STARTTLS.")

    @model_validator(mode="after")
    def _somebody_to_tell(self) -> SmtpSettings:
        if self.host and not self.to:
            raise ValueError("mail needs somebody to send to: set TO to a JSON list of addresses")
        return self


class AlertSettings(_Group):
    """Where alerts go besides the records that `nightshift alerts` lists."""

    webhook_url: SecretStr | None = Field(None, description="Where alerts are posted as JSON.")
    sns_topic: str | None = Field(None, description="The ARN of a topic of Amazon SNS that alerts are published to.")
    smtp: SmtpSettings = SmtpSettings()

    @field_validator("sns_topic")
    @classmethod
    def _is_topic(cls, topic: str | None) -> str | None:
        if topic and not re.fullmatch(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+(\.fifo)?", topic):
            raise ValueError("not the ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:alerts")
        return topic


class ServingSettings(_Group):
    """The API of `nightshift serve`."""

    tokens: dict[str, SecretStr] = Field(
        {},
        description="Who may ask, by name: `NIGHTSHIFT_SERVING__TOKENS__SHOP` is the token that the caller `shop` "
        "sends as `Authorization: Bearer …`. Without any, and without an identity header, only this machine may ask.",
    )
    identity_header: str | None = Field(
        None,
        description="The header in which a proxy before the API names a caller that has logged in, such as "
        "`X-Forwarded-User`; requests without it are refused.",
    )
    open: bool = Field(
        False,
        description="Everybody who reaches the API's address may ask: where a platform, such as SageMaker, admits "
        "callers itself.",
    )
    digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="The digest that a served archive has to have; `nightshift export --format archive` prints it.",
    )
    max_body: int = Field(16 * 2**20, ge=1, le=2**31, description="Bytes that the body of a request may have.")
    max_rows: int = Field(100_000, ge=1, le=10**8, description="Rows that a request may have.")
    max_connections: int = Field(1000, ge=1, le=65_535, description="Connections at once; more are answered with 503.")
    timeout: Seconds = Field(
        30,
        description="Seconds in which a body has to arrive, and an answer to be there; stopping waits so long.",
    )
    follow: Seconds = Field(2, description="Seconds between two looks at which version is the champion.")
    keep: bool = Field(
        False,
        description="Keep the rows that are scored, with their features and the challenger's scores, in "
        "`serving.<model>`.",
    )
    publish: Seconds = Field(3600, description="Seconds between two publications of rows that are kept.")

    @field_validator("identity_header")
    @classmethod
    def _check_header(cls, header: str | None) -> str | None:
        if header is not None and not re.fullmatch(r"[-!#$%&'*+.^_`|~\w]+", header, re.ASCII):
            raise ValueError("no name of a header, such as X-Forwarded-User")
        return header

    @field_validator("tokens")
    @classmethod
    def _check_tokens(cls, tokens: dict[str, SecretStr]) -> dict[str, SecretStr]:
        texts = [token.get_secret_value() for token in tokens.values()]
        if len(set(texts)) < len(texts):
            raise ValueError("two callers have the same token")
        if not all(re.fullmatch(r"[\x21-\x7e]+", text) for text in texts):
            raise ValueError("a token has other characters than printable ASCII, or spaces")
        return tokens

    @model_validator(mode="after")
    def _check_open(self) -> ServingSettings:
        if self.open and (self.tokens or self.identity_header):
            raise ValueError("open to everybody, and callers are named by tokens or a header: unset one of them")
        return self


class Settings(BaseSettings):
    """All settings, in the order in which docs/settings.md lists them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True)

    home: Path = Field(PROJECT, description="The project folder, which has `include/models` and `spark_jobs`.")
    models_folder: Path | None = Field(None, description="The model definitions; default: `include/models`.")
    sources_folder: Path | None = Field(
        None, description="The sources that models share; default: `sources`, next to the models folder."
    )
    var: Path | None = Field(
        None,
        description="What this machine keeps for itself, such as generated DAG files; default: `var` below `home`.",
    )
    state: str | None = Field(
        None,
        repr=False,
        description="What all machines share beside the tables, such as locks and the records of alerts: a folder, "
        "s3://bucket/prefix, or postgresql+psycopg2://user@host/database; default: `var`.",
    )
    landing: str | None = Field(
        None, description="The landing folder, a path or a URI; default: `landing` below `var`."
    )
    warehouse: str | None = Field(
        None, description="The Iceberg warehouse, a path or a URI; default: `warehouse` below `var`."
    )
    mlflow_uri: str | None = Field(
        None, repr=False, description="MLflow's tracking and registry URI; default: a SQLite file below `var`."
    )
    mlflow_artifacts: str | None = Field(
        None, description="The root of the artifacts of new experiments, a path or a URI; default: below `var`."
    )
    quality_docs: str | None = Field(
        None,
        description="The pages of audits and nights, a path or a URI, which tasks write and the API server reads; "
        "default: `quality` below `var`.",
    )
    airflow_url: str = Field(
        "http://127.0.0.1:8080", description="The address of the Airflow UI, for the links in alerts."
    )
    mlflow_url: str = Field(
        "http://127.0.0.1:5000", description="The address of the MLflow UI, for the link to a gate's report."
    )
    audit_in_process: int = Field(
        1_000_000,
        ge=0,
        le=10**12,
        description="Staged sets of up to so many rows are audited in the task's process, others on Spark.",
    )
    tree_sums: bool = Field(
        True,
        description="Trees of scikit-learn's histogram gradient boosting are summed by Nightshift, which gives the "
        "same scores bit for bit and is several times as fast; `false`: by scikit-learn.",
    )
    preload: bool = Field(
        False,
        description="Import the loop's libraries in this process. For a scheduler with LocalExecutor: its tasks are "
        "forks of it and need not import them again.",
    )
    catalog: CatalogSettings = CatalogSettings()
    spark: SparkSettings = SparkSettings()
    emr: EmrSettings = EmrSettings()
    alerts: AlertSettings = AlertSettings()
    serving: ServingSettings = ServingSettings()
    connections: dict[str, SecretStr] = Field(
        {},
        description="The addresses of the databases that definitions name: `NIGHTSHIFT_CONNECTIONS__SHOP` is "
        "`postgresql://user:password@host/database` for `connection: shop`.",
    )

    @cached_property
    def models_path(self) -> Path:
        return self.models_folder or self.home / "include" / "models"

    @cached_property
    def sources_path(self) -> Path:
        return self.sources_folder or self.models_path.parent / "sources"

    @cached_property
    def var_path(self) -> Path:
        return (self.var or self.home / "var").resolve()

    @cached_property
    def state_uri(self) -> str:
        return self.state or str(self.var_path)

    @cached_property
    def landing_uri(self) -> str:
        return self.landing or str(self.var_path / "landing")

    @cached_property
    def warehouse_uri(self) -> str:
        return self.warehouse or str(self.var_path / "warehouse")

    @cached_property
    def catalog_uri(self) -> str | None:
        if self.catalog.uri or self.catalog.type != "sql":
            return self.catalog.uri
        return f"sqlite:///{self.var_path / 'catalog.db'}?timeout=60"

    @property
    def has_catalog(self) -> bool:
        """Whether there is a catalog to open: one of its own that was created, or one that is configured."""
        return bool(self.catalog.uri) or self.catalog.type != "sql" or (self.var_path / "catalog.db").exists()

    @property
    def has_registry(self) -> bool:
        """Whether there is an MLflow to ask: one of its own that was created, or one that is configured."""
        return bool(self.mlflow_uri) or (self.var_path / "mlflow" / "mlflow.db").exists()

    @cached_property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.var_path / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def artifact_root(self) -> str:
        return self.mlflow_artifacts or str(self.var_path / "mlflow" / "artifacts")

    @cached_property
    def quality_docs_uri(self) -> str:
        return self.quality_docs or str(self.var_path / "quality")

    @property
    def secrets(self) -> frozenset[str]:
        """The passwords and keys among these settings, and those of libraries in the environment."""
        return frozenset(
            secret for secret in (*_secrets_of(self), *secret_variables(os.environ)) if len(secret) >= SHORTEST
        )

    @property
    def checked_path(self) -> Path:
        """Where definitions that were checked are remembered."""
        return self.var_path / "definitions"

    def make_folder(self, *parts: str) -> Path:
        """A folder below that of the installation, which is made if it does not exist.

        Raises:
            TerminalError: If it cannot be made.
        """
        return make_folder(self.var_path.joinpath(*parts), "set NIGHTSHIFT_VAR to one")

    def scratch_copy(self, folder: Path) -> Settings:
        """An empty installation below a folder, on this machine, with the same definitions and landed files."""
        return Settings(
            home=self.home,
            models_folder=self.models_path,
            sources_folder=self.sources_path,
            landing=self.landing_uri,
            audit_in_process=self.audit_in_process,
            tree_sums=self.tree_sums,
            var=folder,
            state=str(folder),
            warehouse=str(folder / "warehouse"),
            catalog=CatalogSettings(uri=f"sqlite:///{folder / 'catalog.db'}?timeout=60"),
            mlflow_uri=f"sqlite:///{folder / 'mlflow.db'}",
            mlflow_artifacts=str(folder / "artifacts"),
            quality_docs=str(folder / "quality"),
            # A cluster may not see the folder.
            spark=self.spark if self.spark.is_local else SparkSettings(driver_memory=self.spark.driver_memory),
        )

    def as_environment(self) -> dict[str, str]:
        """These settings as environment variables, for processes that are started on their behalf.

        Without those for alerts, callers of the API and databases: what computes has no use for their secrets.
        """
        chosen = {name: getattr(self, name) for name in self.model_fields_set - {"alerts", "serving", "connections"}}
        return {
            f"NIGHTSHIFT_{name.upper()}": value.model_dump_json() if isinstance(value, BaseModel) else str(value)
            for name, value in chosen.items()
            if value is not None
        }


def _secrets_of(group: BaseModel) -> Iterator[str]:
    """The passwords and keys in a group of settings and in the groups within it."""
    for name in type(group).model_fields:
        yield from _secrets_in(getattr(group, name))


def _secrets_in(value: Any) -> Iterator[str]:
    match value:
        case BaseModel():
            yield from _secrets_of(value)
        case SecretStr():
            yield value.get_secret_value()
            yield from secret_texts(value.get_secret_value())
        case dict():
            yield from secret_texts(value)
            for item in value.values():
                yield from _secrets_in(item)
        case str():
            yield from secret_texts(value)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment once.

    Raises:
        TerminalError: If a variable has a value that is not allowed.
    """
    refuse_misspelt(os.environ, setting_names(Settings))
    return read_environment("environment variable")


def read_environment(where: str) -> Settings:
    """The settings that the environment has now.

    Args:
        where: What to call a variable, or the file that it is from.

    Raises:
        TerminalError: If a variable has a value that is not allowed. The value is not repeated: it may be a secret.
    """
    variables = {name.upper(): value for name, value in os.environ.items()}
    if blank := first_blank(Settings, variables):
        raise TerminalError("it is empty", where=f"{where} {blank}", fix="give it a value or unset it")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].removeprefix("Value error, ")
        place = f"{where} {variable_of(first['loc'], variables)}"
        raise TerminalError(problem, where=place, fix="change it or unset it") from None
    except SettingsError:
        name = first_not_json(Settings, variables)
        fix = 'write lists as ["a"] and mappings as {"key": "value"}, with double quotes'
        raise TerminalError("it is not JSON", where=f"{where} {name}", fix=fix) from None
