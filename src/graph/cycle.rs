//! Cycles among current image edges, shown whole.
