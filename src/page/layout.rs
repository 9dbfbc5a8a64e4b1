//! Where the boxes of a picture stand: levels from left to right, what is needed left of what needs it.
//!
//! A level is as far from the left as the longest way to it. Where arrows go in a circle, those that order builds are kept
//! and the others left out of account; if these go in a circle themselves, which is an error of the repository, one of them
//! points backwards. Within a level, boxes stand where their neighbours are (barycentre), in as many columns as give the
//! picture the shape of a screen. What has no arrow at all stands below. Integers only, so that the same input gives the
//! same bytes on every machine.

use std::cmp::Reverse;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The height of a box.
pub const HEIGHT: i32 = 26;
/// From the top of one box to the next below.
pub const PITCH: i32 = 38;
/// Between two columns of a level.
pub const COLUMN_GAP: i32 = 20;
/// Between two levels.
pub const GUTTER: i32 = 96;

/// Width of a letter of a label, and of what else is in a box.
const LETTER: i32 = 7;
const PADDING: i32 = 40;

/// Fewer rows than this are never broken into columns.
const FEW_ROWS: usize = 14;

/// How often the order within the levels is improved.
const SWEEPS: usize = 12;

/// `user` needs something of `needed`; both are places in the list of boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Whose box stands to the right.
    pub user: usize,
    /// Whose box stands to the left.
    pub needed: usize,
    /// Whether it orders builds.
    pub orders: bool,
}

/// Where a box stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// Its left side.
    pub x: i32,
    /// Its top.
    pub y: i32,
    /// Its width.
    pub width: i32,
    /// Its level, counted from 0.
    pub level: usize,
    /// Its column within the level.
    pub column: usize,
}

/// The horizontal extent of a level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Band {
    /// Its left side.
    pub x: i32,
    /// Its width.
    pub width: i32,
    /// How many columns it has.
    pub columns: usize,
}

/// A picture without its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// One for each box.
    pub spots: Vec<Spot>,
    /// One for each level.
    pub bands: Vec<Band>,
    /// Where the boxes without arrows begin, if there are any.
    pub apart: Option<i32>,
    /// Of the whole.
    pub width: i32,
    /// Of the whole.
    pub height: i32,
}

/// Lays out one box for each of `letters`, the lengths of their labels.
#[must_use]
pub fn layout(letters: &[usize], needs: &[Need]) -> Layout {
    let levels = levels(letters.len(), needs);
    let joined = joined(letters.len(), needs);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); levels.iter().max().map_or(0, |level| level + 1)];
    for (node, &level) in levels.iter().enumerate().filter(|&(node, _)| joined[node]) {
        rows[level].push(node);
    }
    rows.retain(|level| !level.is_empty());
    let widths: Vec<i32> = letters.iter().map(|&letters| width(letters)).collect();
    let most = rows_at_most(&rows, &widths);
    let columns: Vec<usize> = rows.iter().map(|level| level.len().div_ceil(most).max(1)).collect();
    arrange(&mut rows, &columns, letters.len(), needs);

    let mut layout = Layout { spots: vec![Spot::default(); letters.len()], ..Layout::default() };
    place_levels(&mut layout, &rows, &columns, &widths);
    let apart: Vec<usize> = (0..letters.len()).filter(|&node| !joined[node]).collect();
    place_apart(&mut layout, &apart, &widths);
    layout
}

fn width(letters: usize) -> i32 {
    i32::try_from(letters).unwrap_or(i32::MAX / LETTER - PADDING).min(i32::MAX / LETTER - PADDING) * LETTER + PADDING
}

/// Whether a box has an arrow to another one.
fn joined(count: usize, needs: &[Need]) -> Vec<bool> {
    let mut joined = vec![false; count];
    for need in needs.iter().filter(|need| need.user != need.needed) {
        joined[need.user] = true;
        joined[need.needed] = true;
    }
    joined
}

/// The level of each box: 0 where it needs nothing, else one more than the highest level of what it needs.
fn levels(count: usize, needs: &[Need]) -> Vec<usize> {
    let kept = acyclic(count, needs);
    let mut open = vec![0_usize; count];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); count];
    for need in &kept {
        open[need.user] += 1;
        users[need.needed].push(need.user);
    }
    let mut levels = vec![0; count];
    let mut ready: Vec<usize> = (0..count).filter(|&node| open[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &user in &users[node] {
            levels[user] = levels[user].max(levels[node] + 1);
            open[user] -= 1;
            if open[user] == 0 {
                ready.push(user);
            }
        }
    }
    levels
}

/// The needs without those that go in a circle: of a circle first those that do not order builds are dropped, and then,
/// if it is still one, those that lead from a box to one that is not before it in the list.
fn acyclic(count: usize, needs: &[Need]) -> Vec<Need> {
    let apart = |needs: Vec<Need>, keep: fn(&Need) -> bool| -> Vec<Need> {
        let group = groups(count, &needs);
        needs.into_iter().filter(|need| group[need.user] != group[need.needed] || keep(need)).collect()
    };
    let others = needs.iter().copied().filter(|need| need.user != need.needed).collect();
    apart(apart(others, |need| need.orders), |need| need.needed < need.user)
}

/// The strongly connected group of each box.
fn groups(count: usize, needs: &[Need]) -> Vec<usize> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in 0..count {
        graph.add_node(());
    }
    for need in needs {
        graph.add_edge(NodeIndex::new(need.needed), NodeIndex::new(need.user), ());
    }
    let mut group = vec![0; count];
    for (number, members) in tarjan_scc(&graph).into_iter().enumerate() {
        for node in members {
            group[node.index()] = number;
        }
    }
    group
}

/// The number of rows that makes the picture about as wide as a screen.
fn rows_at_most(rows: &[Vec<usize>], widths: &[i32]) -> usize {
    let highest = rows.iter().map(Vec::len).max().unwrap_or_default();
    let wide = |most: usize| -> i32 {
        let of_level = |level: &Vec<usize>| {
            let columns = i32::try_from(level.len().div_ceil(most)).unwrap_or(i32::MAX);
            let widest = level.iter().map(|&node| widths[node]).max().unwrap_or_default();
            columns.saturating_mul(widest + COLUMN_GAP) + GUTTER
        };
        rows.iter().map(of_level).fold(0, i32::saturating_add)
    };
    let high = |most: usize| i32::try_from(most).unwrap_or(i32::MAX).saturating_mul(PITCH);
    (FEW_ROWS..highest).find(|&most| i64::from(wide(most)) * 10 <= i64::from(high(most)) * 17).unwrap_or(highest.max(1))
}

/// Puts each box of a level near the middle of those that it needs and of those that need it, again and again, and keeps the
/// order in which the arrows are shortest.
fn arrange(rows: &mut [Vec<usize>], columns: &[usize], count: usize, needs: &[Need]) {
    let mut needed: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); count];
    for need in needs.iter().filter(|need| need.user != need.needed) {
        needed[need.user].push(need.needed);
        users[need.needed].push(need.user);
    }
    let mut heights = vec![0_i64; count];
    for (level, &columns) in rows.iter().zip(columns) {
        set_heights(&mut heights, level, columns);
    }
    let length =
        |heights: &[i64]| -> i64 { needs.iter().map(|need| (heights[need.user] - heights[need.needed]).abs()).sum() };
    let mut best = (length(&heights), rows.to_vec());
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let neighbours = if rightwards { &needed } else { &users };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if !rightwards {
            order.reverse();
        }
        for level in order {
            let wanted: Vec<i64> = heights.clone();
            let middle = |node: usize| -> i64 {
                let around = &neighbours[node];
                let sum: i64 = around.iter().map(|&other| wanted[other]).sum();
                i64::try_from(around.len())
                    .map_or(wanted[node], |count| if count == 0 { wanted[node] } else { sum / count })
            };
            rows[level].sort_by_key(|&node| (middle(node), wanted[node], Reverse(users[node].len()), node));
            set_heights(&mut heights, &rows[level], columns[level]);
        }
        let now = length(&heights);
        if now < best.0 {
            best = (now, rows.to_vec());
        }
    }
    rows.clone_from_slice(&best.1);
}

/// How high each box of a level stands, around a middle of 0; fine enough that a mean of several is no tie.
fn set_heights(heights: &mut [i64], level: &[usize], columns: usize) {
    const FINE: i64 = 1 << 16;
    let half = level.len().div_ceil(columns) / 2;
    for (index, &node) in level.iter().enumerate() {
        let (row, half) = (i64::try_from(index / columns), i64::try_from(half));
        heights[node] = (row.unwrap_or(i64::MAX / FINE) - half.unwrap_or_default()).saturating_mul(FINE);
    }
}

fn place_levels(layout: &mut Layout, rows: &[Vec<usize>], columns: &[usize], widths: &[i32]) {
    let most =
        rows.iter().zip(columns).map(|(level, columns)| level.len().div_ceil(*columns)).max().unwrap_or_default();
    let mut x = 0;
    for (number, (level, &columns)) in rows.iter().zip(columns).enumerate() {
        let lines = level.len().div_ceil(columns);
        let top = steps((most - lines) / 2);
        let mut left = x;
        for column in 0..columns {
            let boxes = || level.iter().enumerate().skip(column).step_by(columns);
            let width = boxes().map(|(_, &node)| widths[node]).max().unwrap_or_default();
            for (index, &node) in boxes() {
                let y = top + steps(index / columns);
                layout.spots[node] = Spot { x: left, y, width, level: number, column };
            }
            left += width + COLUMN_GAP;
        }
        layout.bands.push(Band { x, width: left - COLUMN_GAP - x, columns });
        x = left - COLUMN_GAP + GUTTER;
    }
    layout.width = (x - GUTTER).max(0);
    layout.height = steps(most);
}

/// A block as wide as the rest, below it.
fn place_apart(layout: &mut Layout, apart: &[usize], widths: &[i32]) {
    let Some(widest) = apart.iter().map(|&node| widths[node]).max() else { return };
    let alone = layout.bands.is_empty();
    let top = if alone { 0 } else { layout.height + 2 * PITCH };
    // Alone it is as wide as a screen, too; a box is about that many rows wide.
    let square = (1..apart.len()).find(|columns| columns * columns * 4 >= apart.len()).unwrap_or(1);
    let beside = usize::try_from((layout.width + COLUMN_GAP) / (widest + COLUMN_GAP)).unwrap_or(1);
    let columns = if alone { square } else { beside.max(square.min(4)) }.min(apart.len());
    for (index, &node) in apart.iter().enumerate() {
        let (row, column) = (index / columns, index % columns);
        let x = i32::try_from(column).unwrap_or(i32::MAX / (widest + COLUMN_GAP)) * (widest + COLUMN_GAP);
        layout.spots[node] = Spot { x, y: top + steps(row), width: widest, level: 0, column };
        layout.width = layout.width.max(x + widest);
    }
    layout.apart = Some(top);
    layout.height = top + steps(apart.len().div_ceil(columns));
}

fn steps(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX / PITCH).saturating_mul(PITCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any boxes with any arrows between them, in a circle or not.
    fn anything() -> impl Strategy<Value = (Vec<usize>, Vec<Need>)> {
        proptest::collection::vec(0..40_usize, 1..60).prop_flat_map(|letters| {
            let count = letters.len();
            let need =
                (0..count, 0..count, any::<bool>()).prop_map(|(user, needed, orders)| Need { user, needed, orders });
            (Just(letters), proptest::collection::vec(need, 0..150))
        })
    }

    fn overlap(a: &Spot, b: &Spot) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + HEIGHT && b.y < a.y + HEIGHT
    }

    proptest! {
        #[test]
        fn what_is_needed_stands_on_a_lower_level((letters, mut needs) in anything()) {
            needs.retain(|need| need.needed < need.user);
            let layout = layout(&letters, &needs);
            for need in &needs {
                let (needed, user) = (layout.spots[need.needed], layout.spots[need.user]);
                prop_assert!(needed.level < user.level, "{need:?}");
                prop_assert!(needed.x + needed.width + GUTTER <= user.x, "{need:?}");
            }
        }

        #[test]
        fn what_orders_builds_is_never_drawn_backwards_for_what_does_not((letters, mut needs) in anything()) {
            needs.retain(|need| !need.orders || need.needed < need.user);
            let layout = layout(&letters, &needs);
            for need in needs.iter().filter(|need| need.orders) {
                prop_assert!(layout.spots[need.needed].level < layout.spots[need.user].level, "{need:?}");
            }
        }

        #[test]
        fn no_two_boxes_overlap_and_all_are_in_the_picture((letters, needs) in anything()) {
            let layout = layout(&letters, &needs);
            for (index, spot) in layout.spots.iter().enumerate() {
                prop_assert!(spot.width >= width(letters[index]));
                prop_assert!(spot.x >= 0 && spot.y >= 0);
                prop_assert!(spot.x + spot.width <= layout.width && spot.y + HEIGHT <= layout.height);
                for other in &layout.spots[..index] {
                    prop_assert!(!overlap(spot, other), "{spot:?} {other:?}");
                }
            }
        }

        #[test]
        fn the_same_boxes_and_arrows_stand_at_the_same_places((letters, needs) in anything()) {
            prop_assert_eq!(layout(&letters, &needs), layout(&letters, &needs));
            let mut turned = needs.clone();
            turned.reverse();
            prop_assert_eq!(layout(&letters, &turned), layout(&letters, &needs));
        }
    }

    #[test]
    fn arrows_that_can_be_without_crossings_are() {
        let need = |user, needed| Need { user, needed, orders: true };
        // Two bases, each with two users whose names are mixed.
        let layout = layout(&[1; 6], &[need(2, 1), need(3, 0), need(4, 1), need(5, 0)]);
        let y = |node: usize| layout.spots[node].y;
        assert_eq!(y(0) < y(1), y(3).max(y(5)) < y(2).min(y(4)));
        assert_eq!(y(1) < y(0), y(2).max(y(4)) < y(3).min(y(5)));
    }

    #[test]
    fn a_high_level_is_broken_into_columns() {
        let needs: Vec<Need> = (1..200).map(|user| Need { user, needed: 0, orders: true }).collect();
        let layout = layout(&[10; 200], &needs);
        assert!(layout.bands[1].columns > 3, "{:?}", layout.bands);
        let shape = f64::from(layout.width) / f64::from(layout.height);
        assert!((1.0..2.0).contains(&shape), "{shape}");
    }

    #[test]
    fn nothing_is_laid_out_as_nothing() {
        assert_eq!(layout(&[], &[]), Layout::default());
    }
}
