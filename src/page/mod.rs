//! A graph or a plan as one HTML file, to be opened in a browser and sent to others.
//!
//! The page is self-contained: it asks nobody for anything, which its own content security policy enforces. Positions and
//! curves are computed here, and the script only shows them. What comes from the repository is in the page as JSON in
//! which nothing can end the element it stands in, and gets into the document as text only.

mod data;
mod graph;
mod layout;
mod plan;
mod route;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use data::{Arrow, Look, Node, OnPlatform, Page, Pin, Tone};
pub use graph::of_graph;
pub use plan::of_plan;

use layout::Need;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Longer names are shortened in the picture.
const MOST_LETTERS: usize = 30;

/// A page with everything that the script needs to show it.
#[derive(Debug, Serialize)]
struct Drawing<'a> {
    #[serde(flatten)]
    page: &'a Page,
    /// What stands in the boxes.
    labels: Vec<String>,
    spots: Vec<[i32; 3]>,
    curves: Vec<String>,
    levels: Vec<[i32; 2]>,
    apart: Option<i32>,
    width: i32,
    height: i32,
    box_height: i32,
}

/// The page as HTML.
#[must_use]
pub fn html(page: &Page) -> String {
    let data = json(&drawing(page));
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let values = [
        ("policy", policy.as_str()),
        ("title", &escaped(&page.title)),
        ("style", STYLE),
        ("data", &data),
        ("script", SCRIPT),
    ];
    filled(TEMPLATE, &values)
}

fn drawing(page: &Page) -> Drawing<'_> {
    let labels: Vec<String> = page.nodes.iter().map(|node| shortened(&node.id)).collect();
    let letters: Vec<usize> = labels.iter().map(|label| label.chars().count()).collect();
    let needs: Vec<Need> = page.arrows.iter().map(Arrow::need).collect();
    let layout = layout::layout(&letters, &needs);
    Drawing {
        page,
        labels,
        spots: layout.spots.iter().map(|spot| [spot.x, spot.y, spot.width]).collect(),
        curves: needs.iter().map(|need| route::route(&layout, need)).collect(),
        levels: layout.bands.iter().map(|band| [band.x, band.width]).collect(),
        apart: layout.apart,
        width: layout.width,
        height: layout.height,
        box_height: layout::HEIGHT,
    }
}

/// The end of a long name, which tells more than its beginning.
fn shortened(name: &str) -> String {
    let letters = name.chars().count();
    if letters <= MOST_LETTERS {
        return name.to_owned();
    }
    std::iter::once('…').chain(name.chars().skip(letters + 1 - MOST_LETTERS)).collect()
}

/// Replaces each `{{name}}` once; values are not looked into.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the template closes what it opens");
        let value = values.iter().find(|(known, _)| *known == name).expect("the template names what there is");
        text.extend([before, value.1]);
        rest = after;
    }
    text + rest
}

/// JSON that can stand in a script element: what could end it, or begin a comment in it, occurs in strings only, where it
/// can be written as an escape.
fn json(document: &impl Serialize) -> String {
    let text = serde_json::to_string(document).expect("a page is strings, numbers and lists");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Text for an element of HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str) -> Page {
        let look = Look { key: "fine", mark: "✓", label: "fine", meaning: "", tone: Tone::Good };
        Page {
            title: id.to_owned(),
            looks: vec![look],
            nodes: vec![Node { id: id.to_owned(), look: "fine", ..Node::default() }],
            ..Page::default()
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_element() {
        let id = "pkg/</script><script>alert(1)</script><!--&amp;{{style}}";
        let (evil, good) = (html(&named(id)), html(&named("pkg/a")));
        for mark in ["<script", "</script", "<!--", "</title"] {
            assert_eq!(evil.matches(mark).count(), good.matches(mark).count(), "{mark}");
        }
        let data = evil.split_once("type=\"application/json\">").unwrap().1.split_once("</script>").unwrap().0;
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["nodes"][0]["id"], id);
    }

    #[test]
    fn a_long_name_is_shown_by_its_end() {
        assert_eq!(shortened("test/cases/000_build/041_chained/build2"), "…/000_build/041_chained/build2");
        assert_eq!(shortened("pkg/init"), "pkg/init");
    }

    #[test]
    fn the_page_names_nothing_outside() {
        let page = html(&named("pkg/a"));
        for outside in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
            assert!(!page.contains(outside), "{outside}");
        }
        let addresses: Vec<&str> = page.match_indices("://").map(|(at, _)| &page[at - 5..at + 15]).collect();
        assert!(addresses.iter().all(|address| address.contains("www.w3.org")), "{addresses:?}");
    }
}
