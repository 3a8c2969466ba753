"""Whether a server of the stack is healthy: exit code 0, or 1 with a line that says why not. Standard library only.

healthy.py URL              the address answers with success
healthy.py URL PART ...     so does it, and its JSON says that these parts of Airflow are healthy
"""

import json
import sys
from urllib.error import URLError
from urllib.request import urlopen


def problem(url: str, parts: list[str]) -> str | None:
    """Why a server is not healthy; None if it is.

    Args:
        url: What to ask.
        parts: Names of parts in an answer such as `{"scheduler": {"status": "healthy"}}`.
    """
    try:
        with urlopen(url, timeout=10) as answer:
            body = answer.read()
    except (URLError, OSError) as error:
        return f"{url} does not answer: {error}"
    states = {part: json.loads(body).get(part, {}).get("status") for part in parts}
    bad = [f"{part} is {state}" for part, state in states.items() if state != "healthy"]
    return f"{url}: {', '.join(bad)}" if bad else None


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1], sys.argv[2:]))
