"""The text of a header, taken apart: comments, directives, statements.

Every part keeps its line, so that a message can name it.
"""
import dataclasses
import re


class Refused(Exception):
    """The header breaks a rule; says where and what to do."""


@dataclasses.dataclass
class Comment:
    start: int  # offsets into the text
    end: int
    line: int
    text: str

    @property
    def is_doc(self):
        return self.text.startswith("/**")

    @property
    def is_trailing(self):
        return self.text.startswith("/**<")

    @property
    def section(self):
        """The title when it is a line that divides the header, else None."""
        found = re.fullmatch(r"/\* -{10,} (.*) \*/", self.text)
        return found.group(1) if found else None


@dataclasses.dataclass
class Directive:
    start: int
    end: int
    line: int
    text: str


@dataclasses.dataclass
class Statement:
    start: int
    end: int
    line: int
    text: str


class Source:
    """A header file. `code` is its text with comments, directives and what is
    meant for C++ blanked out: the same length, the same lines."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.comments = [
            Comment(found.start(), found.end(), self.line_at(found.start()),
                    found.group())
            for found in re.finditer(r"/\*.*?\*/", text, flags=re.S)]
        code = self._blank(text, self.comments)
        self.directives = [
            Directive(found.start(), found.end(), self.line_at(found.start()),
                      found.group())
            for found in re.finditer(r"^[ \t]*#(?:\\\n|[^\n])*", code,
                                     flags=re.M)]
        code = self._blank(code, self.directives)
        code = self._without_cplusplus(code)
        self.marked = code
        self.code = re.sub(r"\bNCP_API\b", " " * len("NCP_API"), code)
        self.statements = list(self._split())

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def refuse(self, line, text):
        raise Refused(f"{self.path}:{line}: {text}")

    @staticmethod
    def _blank(text, parts):
        for part in parts:
            hole = re.sub(r"[^\n]", " ", text[part.start:part.end])
            text = text[:part.start] + hole + text[part.end:]
        return text

    def _without_cplusplus(self, code):
        """Drops what stands between #ifdef __cplusplus and its #endif."""
        begin = None
        for directive in self.directives:
            if re.match(r"\s*#\s*ifdef\s+__cplusplus\b", directive.text):
                begin = directive
            elif begin and re.match(r"\s*#\s*endif\b", directive.text):
                hole = Directive(begin.end, directive.start, begin.line, "")
                code = self._blank(code, [hole])
                begin = None
        return code

    def _split(self):
        """The statements: what ends with a semicolon outside of braces."""
        depth, start = 0, None
        for offset, char in enumerate(self.marked):
            if start is None and not char.isspace():
                start = offset
            depth += (char == "{") - (char == "}")
            if char == ";" and depth == 0:
                yield Statement(start, offset + 1, self.line_at(start),
                                self.marked[start:offset + 1])
                start = None
        if start is not None:
            self.refuse(self.line_at(start), "a declaration without an end")

    def section_at(self, offset):
        title = ""
        for comment in self.comments:
            if comment.start > offset:
                break
            title = comment.section or title
        return title

    def doc_before(self, offset):
        """The documentation comment that ends directly before an offset."""
        for comment in self.comments:
            if comment.is_doc and not comment.is_trailing \
                    and comment.end <= offset \
                    and not self.text[comment.end:offset].strip():
                return comment
        return None

    def doc_after(self, offset, stop):
        """The first trailing comment between two offsets."""
        for comment in self.comments:
            if comment.is_trailing and offset <= comment.start < stop:
                return comment
        return None
