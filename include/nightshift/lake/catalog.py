"""Opens the Iceberg catalog, creates tables and adds columns to them as their specifications say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import NameMapping
from pyiceberg.transforms import IdentityTransform
from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

from nightshift.aws import pyiceberg_properties
from nightshift.errors import NotYetAvailable, TerminalError
from nightshift.lake.commit_times import keep_times_in_order
from nightshift.lake.files import as_uri, local_path, writing
from nightshift.lake.format import require_known_format
from nightshift.lake.tables import Layer, TableSpec
from nightshift.service_errors import explain, explain_at
from nightshift.settings import Settings
from nightshift.state import open_state

PROPERTIES = {
    # Bounded metadata: PyIceberg copies it at every access.
    "write.metadata.previous-versions-max": "10",
    "write.metadata.delete-after-commit.enabled": "true",
    "commit.retry.num-retries": "30",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "1000",
}


class Lake:
    """The tables of one installation.

    Args:
        settings: Where the catalog and the warehouse are.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.warehouse = as_uri(settings.warehouse_uri)
        self.catalog = self._open()

    def table(self, name: str) -> Table:
        """A table at its newest snapshot.

        Raises:
            NotYetAvailable: If nothing has been published to it yet.
            TerminalError: If its files are not in this warehouse.
        """
        try:
            table = self.catalog.load_table(name)
        except NoSuchTableError:
            raise NotYetAvailable(
                "the table does not exist yet", where=name, fix="run the stage that publishes it first"
            ) from None
        except FileNotFoundError as error:
            raise self._elsewhere(name, "the table's metadata is gone", str(error.filename or error)) from None
        if self._is_here and not as_uri(local_path(table.location())).startswith(f"{self.warehouse}/"):
            raise self._elsewhere(name, "the table is in another warehouse", table.location())
        return table

    def table_exists(self, name: str) -> bool:
        """Whether a table exists."""
        return self.catalog.table_exists(name)

    def table_names(self) -> list[str]:
        """The names of the tables of the layers, sorted; a catalog may have tables of others."""
        layers = {str(layer) for layer in Layer}
        namespaces = [namespace for namespace in self.catalog.list_namespaces() if ".".join(namespace) in layers]
        return sorted(".".join(name) for namespace in namespaces for name in self.catalog.list_tables(namespace))

    def ensure(self, spec: TableSpec) -> Table:
        """Creates a table, or adds the columns that its specification gained.

        Returns:
            The table at its newest snapshot.

        Raises:
            TerminalError: If a column changed its type.
        """
        with self.lock(spec.name):
            try:
                table = self.table(spec.name)
            except NotYetAvailable:
                return self._create(spec)
            kinds = {field.name: field.type for field in schema_to_pyarrow(table.schema())}
            for field in spec.schema:
                if field.name in kinds and not _same_type(kinds[field.name], field.type):
                    raise TerminalError(
                        f"column '{field.name}' changed its type",
                        where=spec.name,
                        received=str(field.type),
                        allowed=str(kinds[field.name]),
                        fix="give the changed column a new name",
                    )
            if new := [field.name for field in spec.schema if field.name not in kinds]:
                # By name: fields that are not in a table yet all have the same id.
                fields = self.catalog._convert_schema_if_needed(spec.schema).fields
                kinds = {field.name: field.field_type for field in fields}
                with table.update_schema() as update:
                    for name in new:
                        update.add_column(name, kinds[name])
            return table

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Locks a table for one writer: those on other machines too, if they share the state."""
        with open_state(self.settings).lock(name):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Says what the disk of the warehouse, or the catalog's database, does not write within, and why.

        Raises:
            FullDiskError: If no space is left.
            ReadOnlyError: If this process may not write there.
            TransientError: If the catalog's database is locked, or does not answer.
        """
        try:
            with writing(self.warehouse):
                yield
        except OperationalError as error:
            raise explain(error) or error from None

    @property
    def _is_here(self) -> bool:
        """Whether tables were created below the warehouse: other catalogs than SQL choose places of their own."""
        return self.settings.catalog.type == "sql" and self.warehouse.startswith("file://")

    def _elsewhere(self, name: str, problem: str, received: str) -> TerminalError:
        return TerminalError(
            problem,
            where=name,
            received=received,
            allowed=f"below {self.warehouse}",
            fix="if the folder was renamed or copied, which leaves the addresses in it as they were, give it back its "
            "name, then use `nightshift move`; if files were removed, restore them",
        )

    def _open(self) -> Catalog:
        settings = self.settings
        kind = settings.catalog.type
        properties = {"type": kind, "warehouse": self.warehouse, **pyiceberg_properties(kind, self.warehouse)}
        properties |= settings.catalog.properties
        if uri := settings.catalog_uri:
            properties["uri"] = uri
        require_known_format(settings)
        settings.make_folder()
        with self.lock("catalog"):
            try:
                catalog = load_catalog(settings.catalog.name, **properties)
                if isinstance(catalog, SqlCatalog):
                    _prepare(catalog.engine)
            except OperationalError as error:
                place = make_url(uri).render_as_string(hide_password=True) if uri else kind
                raise explain_at(f"NIGHTSHIFT_CATALOG__URI={place}", error) from None
        keep_times_in_order(catalog)
        return catalog

    def _create(self, spec: TableSpec) -> Table:
        """Creates a table with its partitions in one commit: a killed process leaves none without."""
        with suppress(NamespaceAlreadyExistsError):
            self.catalog.create_namespace(spec.layer)
        with suppress(TableAlreadyExistsError):
            properties = PROPERTIES | _bounds(spec)
            with self.catalog.create_table_transaction(spec.name, schema=spec.schema, properties=properties) as change:
                with change.update_spec() as update:
                    for column in spec.partition_columns:
                        update.add_field(column, IdentityTransform(), column)
                # Ids are assigned at creation; files without them are read through this mapping.
                mapping: NameMapping = change.table_metadata.schema().name_mapping
                change.set_properties({"schema.name-mapping.default": mapping.model_dump_json()})
        return self.table(spec.name)


def _prepare(engine: Engine) -> None:
    """Has each error of a database name it, and lets a SQLite file be read while it is written."""

    def name_database(context: ExceptionContext) -> None:
        if context.sqlalchemy_exception:
            context.sqlalchemy_exception.add_note(engine.url.render_as_string(hide_password=True))

    event.listen(engine, "handle_error", name_database)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("pragma journal_mode=wal")


def _bounds(spec: TableSpec) -> dict[str, str]:
    if spec.bounded is None:
        return {}
    metrics = {f"write.metadata.metrics.column.{column}": "full" for column in spec.bounded}
    return {"write.metadata.metrics.default": "none", **metrics}


def _same_type(left: object, right: object) -> bool:
    return str(left).removeprefix("large_") == str(right).removeprefix("large_")
