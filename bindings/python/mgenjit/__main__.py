"""`python -m mgenjit` compiles IR as it is typed, and computes expressions of Python with its functions."""

from ._repl import main

if __name__ == "__main__":
    raise SystemExit(main())
