"""The functional core: pure functions over domain values, with `now` as a parameter."""
