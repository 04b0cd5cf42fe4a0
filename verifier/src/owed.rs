//! What is owed: to requests that wait, for emergencies that nobody has reviewed, and where waivers
//! end.
//!
//! Decides nothing: verdicts are the gates'. It is only told who could do what, and by when.

pub mod inbox;
pub mod waivers;
