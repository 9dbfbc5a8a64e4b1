//! What a page shows, as plain data: whoever makes it has put everything into words.

use serde::Serialize;

use super::layout::Need;
use crate::graph::render::Line;

/// A picture of packages with what there is to say about each.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Page {
    /// Of the window, and the heading.
    pub title: String,
    /// One line about the whole.
    pub summary: String,
    /// What is wrong with the whole.
    pub problems: Vec<String>,
    /// What nodes and their platforms can look like, in the order of the legend.
    pub looks: Vec<Look>,
    /// The packages.
    pub nodes: Vec<Node>,
    /// Between different nodes, one for each pair.
    pub arrows: Vec<Arrow>,
}

/// A state as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Names it within the page.
    pub key: &'static str,
    /// One character that tells it without a colour.
    pub mark: &'static str,
    /// In one or two words.
    pub label: &'static str,
    /// In one sentence.
    pub meaning: &'static str,
    /// Its colour.
    pub tone: Tone,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As it should be.
    Good,
    /// Something is to be done about it.
    Todo,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// Nobody knows.
    Doubt,
    /// Nothing to say.
    Mute,
}

/// A package.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// The key of its look.
    pub look: &'static str,
    /// Its image with the tag.
    pub reference: Option<String>,
    /// Facts about it, in one sentence each.
    pub facts: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// What is known of it platform by platform.
    pub platforms: Vec<OnPlatform>,
    /// What it refers to.
    pub pins: Vec<Pin>,
}

/// A package on one platform.
#[derive(Debug, Clone, Serialize)]
pub struct OnPlatform {
    /// The platform.
    pub platform: String,
    /// The key of the look.
    pub look: &'static str,
    /// What is done with it, such as `build`.
    pub steps: Vec<String>,
    /// Where it is; empty where it is nowhere.
    pub places: String,
    /// Why it is what it is.
    pub reasons: Vec<String>,
}

/// A reference of a package to something else.
#[derive(Debug, Clone, Serialize)]
pub struct Pin {
    /// How it is written, such as `from`.
    pub kind: &'static str,
    /// What is written.
    pub reference: String,
    /// What it means.
    pub state: &'static str,
    /// Whether it is to be looked at.
    pub tone: Tone,
    /// `file:line`
    pub place: String,
    /// What there is to say about it.
    pub note: Option<String>,
    /// The node that it leads to.
    pub to: Option<usize>,
}

/// One package needs something of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// The node that needs.
    pub from: usize,
    /// The node that is needed.
    pub to: usize,
    /// How it is drawn.
    pub line: Line,
}

impl Arrow {
    /// As the layout takes it.
    pub(super) fn need(&self) -> Need {
        Need { user: self.from, needed: self.to, orders: self.line == Line::Image }
    }
}
