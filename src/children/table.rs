//! The entries, in the order of their numbers.
//!
//! Numbers only grow, so an entry is always added at the end. A tree of single entries would then be half empty; here
//! [`SPAN`] numbers in a row share a page, and a page holds little more than what is in it.

use std::collections::BTreeMap;

/// How many numbers share a page: few, as removing one moves those behind it.
const SPAN: u64 = 16;

pub(super) struct Table<T> {
    /// By number / [`SPAN`]; none is empty.
    pages: BTreeMap<u64, Vec<(u64, T)>>,
    len: usize,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self { pages: BTreeMap::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let page = self.pages.get(&(number / SPAN))?;
        page.binary_search_by_key(&number, |entry| entry.0).ok().map(|at| &page[at].1)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let page = self.pages.get_mut(&(number / SPAN))?;
        page.binary_search_by_key(&number, |entry| entry.0).ok().map(|at| &mut page[at].1)
    }

    /// Adds an entry whose number is new.
    pub(super) fn insert(&mut self, number: u64, entry: T) {
        let page = self.pages.entry(number / SPAN).or_default();
        let (Ok(at) | Err(at)) = page.binary_search_by_key(&number, |entry| entry.0);
        page.insert(at, (number, entry));
        self.len += 1;
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let page = self.pages.get_mut(&(number / SPAN))?;
        let at = page.binary_search_by_key(&number, |entry| entry.0).ok()?;
        let (_, entry) = page.remove(at);
        self.len -= 1;
        if page.is_empty() {
            self.pages.remove(&(number / SPAN));
        } else if page.len() <= page.capacity() / 4 {
            // A child that outlives its neighbours by far does not keep their places.
            page.shrink_to_fit();
        }
        Some(entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.pages.values().flatten().map(|(number, entry)| (*number, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(table: &Table<u64>) -> Vec<u64> {
        table.iter().map(|(number, entry)| (number, *entry)).map(|(number, entry)| number.max(entry)).collect()
    }

    fn table(numbers: impl IntoIterator<Item = u64>) -> Table<u64> {
        let mut table = Table::new();
        numbers.into_iter().for_each(|number| table.insert(number, number));
        table
    }

    #[test]
    fn entries_are_found_by_number_and_listed_in_its_order() {
        let mut table = table([1, 2, 3, 15, 16, 17, 40]);
        assert_eq!(numbers(&table), [1, 2, 3, 15, 16, 17, 40]);
        assert_eq!((table.len(), table.is_empty()), (7, false));
        for number in [1, 2, 3, 15, 16, 17, 40] {
            assert_eq!(table.get(number), Some(&number));
            assert_eq!(table.get_mut(number).copied(), Some(number));
        }
        for number in [0, 4, 14, 18, 39, 41, 1 << 40] {
            assert_eq!(table.get(number), None);
            assert_eq!(table.get_mut(number), None);
            assert_eq!(table.remove(number), None);
        }
    }

    #[test]
    fn one_that_is_added_late_takes_its_place_in_the_order() {
        assert_eq!(numbers(&table([5, 3, 4, 20, 19])), [3, 4, 5, 19, 20]);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_others_stay() {
        let mut table = table(1..=100);
        for number in (1..=100).filter(|number| number % 7 != 0) {
            assert_eq!(table.remove(number), Some(number));
            assert_eq!(table.remove(number), None);
        }
        assert_eq!(numbers(&table), (1..=14).map(|n| n * 7).collect::<Vec<_>>());
        (1..=14).for_each(|n| assert_eq!(table.remove(n * 7), Some(n * 7)));
        assert_eq!((table.len(), table.is_empty(), table.pages.len()), (0, true, 0));
    }

    #[test]
    fn a_page_is_not_moved_with_every_removal() {
        let mut table = table(0..SPAN);
        for number in 0..SPAN / 2 {
            table.remove(number);
        }
        assert_eq!(table.pages[&0].capacity(), SPAN as usize);
    }

    #[test]
    fn a_page_keeps_room_for_little_more_than_what_is_in_it() {
        let mut table = table(0..SPAN * 10);
        for number in (0..SPAN * 10).filter(|number| number % SPAN != 0) {
            table.remove(number);
        }
        assert!(table.pages.values().all(|page| page.len() == 1 && page.capacity() <= 4), "{:?}", table.pages);
    }
}
