"""The four plots of a run."""
import pathlib

from . import figures, svg


def _median(series, metric):
    spread = figures.spread(series.values(metric))
    return spread.median if spread else None


def _lines(results, case, x_of, y_of, suffix=""):
    """A line for every subject with more than one point."""
    points = {}
    for series in results.series:
        if series.case != case or not series.samples:
            continue
        x, y = x_of(series), y_of(series)
        if x is not None and y is not None:
            points.setdefault(series.subject, []).append((x, y))
    return [svg.Line(f"{subject}{suffix}", found)
            for subject, found in points.items() if len(found) > 1]


def _variant(name):
    return lambda series: series.variant.get(name)


def _throughput(series):
    ns = _median(series, "ns_per_op")
    return 1e3 / ns if ns else None


def _oversubscription(series):
    threads = series.variant.get("threads")
    connections = series.variant.get("connections")
    return threads / connections if threads and connections else None


def _wait(metric):
    def microseconds(series):
        ns = _median(series, metric)
        return ns / 1e3 if ns is not None else None
    return microseconds


def charts(results):
    """Name of the file and chart, for every plot there is something to draw in."""
    waits = [line for metric, name in (("p50_wait_ns", ", p50"),
                                       ("p99_wait_ns", ", p99"))
             for line in _lines(results, "contended", _oversubscription,
                                _wait(metric), name)]
    every = {
        "throughput": svg.Chart(
            "Throughput, a connection for each thread", "threads",
            "million get + put a second",
            _lines(results, "parallel", _variant("threads"), _throughput)),
        "waits": svg.Chart(
            "Waits, held for 20 us", "threads for each connection",
            "wait, us", waits, log_y=True),
        "handoff": svg.Chart(
            "Hand-off from one to the next who waits", "callers that wait",
            "ns a hand-off",
            _lines(results, "waiters", _variant("callers"),
                   lambda series: _median(series, "handoff_ns")),
            log_x=True, log_y=True),
        "memory": svg.Chart(
            "Memory of a pool", "idle connections", "bytes of heap",
            _lines(results, "memory", _variant("connections"),
                   lambda series: _median(series, "pool_bytes")),
            log_x=True, log_y=True)}
    return {name: chart for name, chart in every.items() if chart.lines}


def write(results, folder):
    """Draws what there is; the paths of the files."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, chart in charts(results).items():
        try:
            text = svg.draw(chart)
        except ValueError:  # all of it is 0, on a logarithmic axis
            continue
        path = folder / f"{name}.svg"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
