//! The curves between boxes: through the gutters between levels and the gaps between rows, behind no box.

use std::fmt::Write as _;

use super::layout::{COLUMN_GAP, GUTTER, HEIGHT, Layout, Need, PITCH, Spot};

/// The path of an arrow as SVG has it, from the right side of what is needed to the left side of what needs it.
#[must_use]
pub fn route(layout: &Layout, need: &Need) -> String {
    let (from, to) = (&layout.spots[need.needed], &layout.spots[need.user]);
    if from.level >= to.level {
        return backwards(from, to);
    }
    let mut pen = Pen::at(from.x + from.width, middle(from));
    let band = &layout.bands[from.level];
    let downwards = middle(to) > pen.y;
    if from.column + 1 < band.columns {
        pen.curve(pen.x + COLUMN_GAP, lane(from, downwards));
        pen.straight(band.x + band.width);
    }
    let next = to.level == from.level + 1;
    if next && to.column == 0 {
        pen.curve(to.x, middle(to));
        return pen.path;
    }
    let above = middle(to) >= pen.y;
    pen.curve(band.x + band.width + GUTTER - COLUMN_GAP, lane(to, !above));
    pen.straight(to.x - COLUMN_GAP);
    pen.curve(to.x, middle(to));
    pen.path
}

fn middle(spot: &Spot) -> i32 {
    spot.y + HEIGHT / 2
}

/// The middle of the gap below or above a box.
fn lane(spot: &Spot, below: bool) -> i32 {
    let gap = PITCH - HEIGHT;
    if below { spot.y + HEIGHT + gap / 2 } else { spot.y - gap / 2 }
}

/// From the right of one box around to the left of the other: only in a circle, which is drawn as one.
fn backwards(from: &Spot, to: &Spot) -> String {
    let (x, y) = (from.x + from.width, middle(from));
    format!("M{x} {y}C{} {y} {} {} {} {}", x + GUTTER, to.x - GUTTER, middle(to), to.x, middle(to))
}

struct Pen {
    x: i32,
    y: i32,
    path: String,
}

impl Pen {
    fn at(x: i32, y: i32) -> Self {
        Self { x, y, path: format!("M{x} {y}") }
    }

    fn draw(&mut self, piece: std::fmt::Arguments<'_>) {
        self.path.write_fmt(piece).expect("writing to a string does not fail");
    }

    /// Leaves and arrives horizontally.
    fn curve(&mut self, x: i32, y: i32) {
        let half = (x - self.x) / 2;
        let (leaving, arriving, from) = (self.x + half, x - half, self.y);
        self.draw(format_args!("C{leaving} {from} {arriving} {y} {x} {y}"));
        (self.x, self.y) = (x, y);
    }

    fn straight(&mut self, x: i32) {
        if x > self.x {
            self.draw(format_args!("H{x}"));
            self.x = x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::layout;
    use super::*;

    fn routes(needs: &[(usize, usize)], boxes: usize) -> (Layout, Vec<String>) {
        let needs: Vec<Need> = needs.iter().map(|&(user, needed)| Need { user, needed, orders: true }).collect();
        let layout = layout(&vec![5; boxes], &needs);
        let routes = needs.iter().map(|need| route(&layout, need)).collect();
        (layout, routes)
    }

    #[test]
    fn neighbours_are_joined_by_one_curve() {
        let (layout, routes) = routes(&[(1, 0)], 2);
        let (left, right) = (layout.spots[0].width, layout.spots[1].x);
        assert_eq!(routes, [format!("M{left} 13C{} 13 {} 13 {right} 13", left + GUTTER / 2, right - GUTTER / 2)]);
    }

    #[test]
    fn a_long_arrow_passes_between_the_rows() {
        // A chain of three, and an arrow over the one in the middle.
        let (layout, routes) = routes(&[(1, 0), (2, 1), (2, 0)], 3);
        let lane = layout.spots[1].y - (PITCH - HEIGHT) / 2;
        assert!(routes[2].contains(&format!(" {lane}H")), "{}", routes[2]);
    }

    #[test]
    fn every_arrow_begins_and_ends_at_its_boxes() {
        let needs: Vec<(usize, usize)> = (1..90).flat_map(|user| [(user, 0), (user, user / 3)]).collect();
        let (layout, routes) = routes(&needs, 90);
        for ((user, needed), route) in needs.iter().zip(routes) {
            let (from, to) = (&layout.spots[*needed], &layout.spots[*user]);
            assert!(route.starts_with(&format!("M{} {}", from.x + from.width, middle(from))), "{route}");
            assert!(route.ends_with(&format!(" {} {}", to.x, middle(to))), "{route}");
        }
    }

    #[test]
    fn a_circle_is_drawn_as_one() {
        let (_, routes) = routes(&[(1, 0), (0, 1)], 2);
        assert!(routes.iter().all(|route| route.matches('C').count() == 1));
    }
}
