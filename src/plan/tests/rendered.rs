//! The plan as people and programs see it.
