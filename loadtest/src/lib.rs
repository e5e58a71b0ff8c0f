//! Open-loop load tester for model traffic, and the quickstart.
