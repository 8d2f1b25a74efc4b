"""Draws a line chart as SVG."""
import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 84, 250, 48, 60
COLOURS = ("#0b62a4", "#d1495b", "#2e8540", "#e08e0b", "#6b4ca0", "#00798c",
           "#8d6e63", "#c2185b", "#5f6b2d", "#455a64")
DASHES = ("", "7 4", "2 3")


@dataclasses.dataclass(frozen=True)
class Line:
    name: str
    points: list  # of (x, y)


@dataclasses.dataclass(frozen=True)
class Chart:
    title: str
    x_label: str
    y_label: str
    lines: list
    log_x: bool = False
    log_y: bool = False


class Axis:
    """Maps values to a stretch of the drawing."""

    def __init__(self, values, log, begin, end):
        self.log = log
        self.begin, self.end = begin, end
        self.values = sorted(set(values))
        if log:
            self.low = math.floor(math.log10(self.values[0]))
            self.high = math.ceil(math.log10(self.values[-1]))
            self.high = max(self.high, self.low + 1)
        else:
            self.low = 0.0
            self.step = nice_step(self.values[-1])
            self.high = self.step * math.ceil(self.values[-1] / self.step)

    def place(self, value):
        at = math.log10(value) if self.log else value
        share = (at - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        if self.log:
            return [10.0 ** n for n in range(self.low, self.high + 1)]
        count = round(self.high / self.step)
        return [self.step * n for n in range(count + 1)]


def nice_step(most, about=5):
    """1, 2 or 5 times a power of ten, so that there are about so many."""
    if most <= 0:
        return 1.0
    rough = most / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def short(value):
    """10000 is 10k."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def _text(x, y, words, anchor="middle", size=13, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'font-size="{size}" {extra}>{escape(words)}</text>')


def _line(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}"/>')


def _frame(chart, x_axis, y_axis):
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        _text(LEFT, 26, chart.title, "start", 17),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, chart.x_label),
        _text(20, middle, chart.y_label,
              extra=f'transform="rotate(-90 20 {middle:.1f})"')]
    for tick in y_axis.ticks():
        y = y_axis.place(tick)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
        parts.append(_text(LEFT - 8, y + 4, short(tick), "end", 12))
    for tick in x_axis.values:
        x = x_axis.place(tick)
        parts.append(_line(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, "#333333"))
        parts.append(_text(x, HEIGHT - BOTTOM + 20, short(tick), size=12))
    parts.append(_line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM,
                       "#333333"))
    return parts


def _drawn(line, number, x_axis, y_axis):
    colour = COLOURS[number % len(COLOURS)]
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" '
             f'stroke-width="2" stroke-dasharray="{dash}"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
              for x, y in places]
    y = TOP + 8 + 18 * number
    x = WIDTH - RIGHT + 18
    parts.append(f'<line x1="{x}" y1="{y}" x2="{x + 24}" y2="{y}" '
                 f'stroke="{colour}" stroke-width="2" '
                 f'stroke-dasharray="{dash}"/>')
    parts.append(_text(x + 30, y + 4, line.name, "start", 12))
    return parts


def draw(chart):
    """The text of the SVG; a logarithmic axis leaves out what is not above 0."""
    lines = []
    for line in chart.lines:
        points = sorted((x, y) for x, y in line.points
                        if (x > 0 or not chart.log_x)
                        and (y > 0 or not chart.log_y))
        if points:
            lines.append(Line(line.name, points))
    if not lines:
        raise ValueError(f"nothing to draw: {chart.title}")
    x_axis = Axis([x for line in lines for x, _ in line.points], chart.log_x,
                  LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for line in lines for _, y in line.points], chart.log_y,
                  HEIGHT - BOTTOM, TOP)
    height = max(HEIGHT, TOP + 30 + 18 * len(lines))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" '
             f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" font-family="sans-serif" fill="#222222">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             *_frame(chart, x_axis, y_axis)]
    for number, line in enumerate(lines):
        parts += _drawn(line, number, x_axis, y_axis)
    return "\n".join([*parts, "</svg>"]) + "\n"
