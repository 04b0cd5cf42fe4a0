//! From two orders about which a gate differs to the shortest two that still show it.

/// Leaves out of both, one after the other, what the difference does not need, until nothing more
/// can be left out. What is left out of one is left out of the other: both hold the same evidence.
pub fn shortest(
    mut one: Vec<usize>,
    mut other: Vec<usize>,
    differ: &dyn Fn(&[usize], &[usize]) -> bool,
) -> (Vec<usize>, Vec<usize>) {
    loop {
        let before = one.len() + other.len();
        let mut pieces: Vec<usize> = one.clone();
        pieces.sort_unstable();
        pieces.dedup();
        for piece in pieces {
            let without = |order: &[usize]| -> Vec<usize> {
                order.iter().copied().filter(|it| *it != piece).collect()
            };
            let shorter = (without(&one), without(&other));
            if differ(&shorter.0, &shorter.1) {
                (one, other) = shorter;
            }
        }
        other = with_fewer_copies(&one, other, differ);
        if one.len() + other.len() == before {
            return (one, other);
        }
    }
}

/// Leaves out what stands there twice, as long as once is enough.
fn with_fewer_copies(
    one: &[usize],
    mut other: Vec<usize>,
    differ: &dyn Fn(&[usize], &[usize]) -> bool,
) -> Vec<usize> {
    let mut at = 0;
    while let Some(piece) = other.get(at).copied() {
        if other.iter().filter(|it| **it == piece).count() > 1 {
            let mut shorter = other.clone();
            shorter.remove(at);
            if differ(one, &shorter) {
                other = shorter;
                continue;
            }
        }
        at += 1;
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_difference_does_not_need_is_left_out() {
        // They differ where 3 and 5 stand the other way round.
        let differ = |one: &[usize], other: &[usize]| {
            let at = |order: &[usize], piece| order.iter().rposition(|it| *it == piece);
            let first = |order| Some(at(order, 3)? < at(order, 5)?);
            first(one).zip(first(other)).is_some_and(|(one, other)| one != other)
        };
        let found = shortest(vec![0, 3, 1, 5, 2], vec![5, 0, 2, 1, 3], &differ);
        assert_eq!(found, (vec![3, 5], vec![5, 3]));
        // A copy that matters stays, and those that do not go.
        let found = shortest(vec![0, 3, 5], vec![0, 0, 3, 5, 5, 3, 3], &differ);
        assert_eq!(found, (vec![3, 5], vec![5, 3]));
    }
}
