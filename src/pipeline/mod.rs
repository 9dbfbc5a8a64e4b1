//! The road from settings to a plan: every verb takes it, and leaves it at its own exit.
//!
//! | module | how far it goes |
//! |---|---|
//! | `survey` | packages, tags and graph: what needs neither an engine nor a registry |
//! | `picked` | packages and their tags, where nothing else is asked |
//! | `pins` | the same, and where it names its own images; with registries asked for some of them |
//! | `compare` | the same at two states of the repository, and what differs |
//! | `questions` | what the places are asked about |
//! | `outside` | the hashes of the files that git does not see |
//! | `prepare` | all the way to a plan, with the means to run it |

mod compare;
mod outside;
mod picked;
mod pins;
mod prepare;
mod questions;
mod survey;

pub use compare::{Compared, Comparison, affected};
pub use picked::{Picked, Picking, pick};
pub use pins::{PinSurvey, SurveyedPins, ask_availability, survey_pins};
pub use prepare::{Prepared, prepare};
pub use survey::{Rewritten, Selection, Survey, Surveyed, select, spread, survey};
