//! The drill: what is promised, measured. So far its world, a simulation in virtual time of the machines that serve.

pub mod world;
