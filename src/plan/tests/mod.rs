//! What a plan promises, without an engine and without a registry.

mod cached;
mod corners;
mod inputs;
mod law;
mod left_out;
mod not_built;
mod order;
mod origin;
mod published;
mod publishing;
mod rendered;
mod states;
mod steps;
mod trusted;
mod unasked;
