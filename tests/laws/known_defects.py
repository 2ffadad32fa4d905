"""Law tests that are red and open: test name -> what is wrong. An entry leaves this list with its fix."""

OPEN: dict[str, str] = {}
