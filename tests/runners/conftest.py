"""Prints the matrix of the scenarios at the end of the report."""


def pytest_terminal_summary(terminalreporter, config):
    lines = getattr(config, "ncp_matrix", [])
    if lines:
        terminalreporter.section("scenario x language")
        for line in lines:
            terminalreporter.write_line(line)
