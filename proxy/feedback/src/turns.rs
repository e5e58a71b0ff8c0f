//! Whose turn it is. It owns smooth weighted rotation (round robin is the case of equal weights); it
//! refuses to know why a member takes no part.
//!
//! Each participant gains its weight per turn; the highest is picked and pays the sum of the weights. Picks
//! of one member are spread evenly instead of in bursts, and a member that sits out leaves the others'
//! rhythm alone.

/// Picks among `(index, weight)` participants; `credit` is indexed by member. Members of weight 0 take part
/// only when all have it.
pub(crate) fn next(
    credit: &mut [i64],
    participants: impl Iterator<Item = (usize, u32)> + Clone,
) -> Option<usize> {
    let weighted = participants.clone().any(|(_, weight)| weight > 0);
    let mut total = 0_i64;
    let mut best: Option<(usize, i64)> = None;
    for (index, weight) in participants.filter(|(_, weight)| !weighted || *weight > 0) {
        let weight = i64::from(weight.max(1));
        let Some(own) = credit.get_mut(index) else { continue };
        *own = own.saturating_add(weight);
        total = total.saturating_add(weight);
        if best.is_none_or(|(_, highest)| *own > highest) {
            best = Some((index, *own));
        }
    }
    let (index, _) = best?;
    if let Some(own) = credit.get_mut(index) {
        *own = own.saturating_sub(total);
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(weights: &[u32], turns: usize) -> Vec<usize> {
        let mut credit = vec![0; weights.len()];
        (0..turns).filter_map(|_| next(&mut credit, weights.iter().copied().enumerate())).collect()
    }

    #[test]
    fn equal_weights_go_round() {
        assert_eq!(sequence(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn picks_of_a_heavy_member_are_spread_out() {
        assert_eq!(sequence(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn weight_nought_takes_no_turn_unless_nobody_has_any() {
        assert!(!sequence(&[0, 3], 50).contains(&0));
        assert_eq!(sequence(&[0, 0], 2), [0, 1]);
        assert_eq!(next(&mut [], std::iter::empty()), None);
    }
}
