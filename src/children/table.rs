//! The entries, each found at once by its place.
//!
//! A place is part of its child's id and is given to another child when it is free again; the number beside it is not, so
//! an id that is stale finds nothing. Places lie in pages, so that there is never a large table to be moved, and so that
//! what was needed for many children is given back when they are gone.

/// How many places share a page: as many as a bit set has bits.
const SPAN: u32 = u32::BITS;

pub(super) struct Table<T> {
    pages: Vec<Page<T>>,
    /// The pages that have a free place, each once. The last is filled next.
    roomy: Vec<u32>,
    len: usize,
}

struct Page<T> {
    /// Entries with their numbers. Shorter than [`SPAN`] until its places are needed.
    entries: Vec<Option<(u64, T)>>,
    /// A bit for each place.
    taken: u32,
}

impl<T> Page<T> {
    fn is_full(&self) -> bool {
        self.taken == u32::MAX
    }
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new(), roomy: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, place: u32, number: u64) -> Option<&T> {
        match self.pages.get((place / SPAN) as usize)?.entries.get((place % SPAN) as usize)? {
            Some((its_number, entry)) if *its_number == number => Some(entry),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, place: u32, number: u64) -> Option<&mut T> {
        match self.pages.get_mut((place / SPAN) as usize)?.entries.get_mut((place % SPAN) as usize)? {
            Some((its_number, entry)) if *its_number == number => Some(entry),
            _ => None,
        }
    }

    /// The place that the next entry gets; `None` if all four billion are taken.
    pub(super) fn vacancy(&self) -> Option<u32> {
        match self.roomy.last() {
            Some(&page) => Some(page * SPAN + self.pages[page as usize].taken.trailing_ones()),
            None => u32::try_from(self.pages.len()).ok()?.checked_mul(SPAN),
        }
    }

    /// Adds an entry whose number is new, at the place that [`vacancy`](Self::vacancy) gave.
    pub(super) fn insert(&mut self, place: u32, number: u64, entry: T) {
        debug_assert_eq!(Some(place), self.vacancy());
        if self.roomy.is_empty() {
            self.roomy.push(place / SPAN);
            self.pages.push(Page { entries: Vec::new(), taken: 0 });
        }
        let page = &mut self.pages[(place / SPAN) as usize];
        let at = (place % SPAN) as usize;
        if at >= page.entries.len() {
            page.entries.resize_with(at + 1, || None);
        }
        page.entries[at] = Some((number, entry));
        page.taken |= 1 << at;
        if page.is_full() {
            self.roomy.pop();
        }
        self.len += 1;
    }

    pub(super) fn remove(&mut self, place: u32, number: u64) -> Option<T> {
        self.get(place, number)?;
        let page = &mut self.pages[(place / SPAN) as usize];
        if page.is_full() {
            self.roomy.push(place / SPAN);
        }
        let at = (place % SPAN) as usize;
        let (_, entry) = page.entries[at].take()?;
        page.taken &= !(1 << at);
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        } else if page.taken == 0 {
            page.entries = Vec::new();
        }
        Some(entry)
    }

    /// In the order of their places, with numbers.
    pub(super) fn in_places(&self) -> impl Iterator<Item = (u32, u64, &T)> {
        self.pages.iter().zip(0..).flat_map(|(page, nth)| {
            let places = page.entries.iter().zip(nth * SPAN..);
            places.filter_map(|(entry, place)| entry.as_ref().map(|(number, entry)| (place, *number, entry)))
        })
    }

    /// In the order of their numbers, with places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64, &T)> {
        let mut entries: Vec<_> = self.in_places().collect();
        // Nearly in order already, which this sort makes use of.
        entries.sort_by_key(|(_, number, _)| *number);
        entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(table: &Table<u64>) -> Vec<u64> {
        table.iter().map(|(_, number, entry)| number.max(*entry)).collect()
    }

    fn add(table: &mut Table<u64>, number: u64) -> u32 {
        let place = table.vacancy().unwrap();
        table.insert(place, number, number);
        place
    }

    /// The numbers from 0, and their places.
    fn table(len: u64) -> (Table<u64>, Vec<u32>) {
        let mut table = Table::new();
        let places = (0..len).map(|number| add(&mut table, number)).collect();
        (table, places)
    }

    #[test]
    fn entries_are_found_by_place_and_number_and_listed_in_the_order_of_numbers() {
        let (mut table, places) = table(100);
        assert_eq!((table.len(), table.is_empty()), (100, false));
        assert_eq!(numbers(&table), (0..100).collect::<Vec<_>>());
        assert_eq!(table.iter().map(|(place, ..)| place).collect::<Vec<_>>(), places);
        for (number, &place) in (0..).zip(&places) {
            assert_eq!(table.get(place, number), Some(&number));
            assert_eq!(table.get_mut(place, number).copied(), Some(number));
            assert_eq!(table.get(place, number + 1), None);
            assert_eq!(table.get_mut(place, number + 1), None);
            assert_eq!(table.remove(place, number + 1), None);
        }
        for place in [100, 127, 128, u32::MAX] {
            assert_eq!(table.get(place, 7), None);
            assert_eq!(table.get_mut(place, 7), None);
            assert_eq!(table.remove(place, 7), None);
        }
        assert_eq!(table.len(), 100);
    }

    #[test]
    fn a_place_is_used_again_and_its_old_id_finds_nothing() {
        let (mut table, places) = table(70);
        for number in [3, 40, 69] {
            assert_eq!(table.remove(places[number], number as u64), Some(number as u64));
            assert_eq!(table.remove(places[number], number as u64), None);
        }
        let again: Vec<u32> = (100..103).map(|number| add(&mut table, number)).collect();
        assert!(again.iter().all(|place| *place < 96), "{again:?}");
        for number in [3, 40, 69] {
            assert_eq!(table.get(places[number], number as u64), None);
        }
        let expected = (0..103).filter(|n| ![3, 40, 69].contains(n) && !(70..100).contains(n));
        assert_eq!(numbers(&table), expected.collect::<Vec<_>>());
    }

    #[test]
    fn no_two_entries_ever_share_a_place() {
        let (mut table, mut places) = (Table::new(), std::collections::BTreeMap::new());
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for number in 0..20_000_u64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            // Grows, then shrinks to nothing, over and over.
            if seed % 100 < if number / 500 % 2 == 0 { 70 } else { 20 } {
                assert_eq!(places.insert(add(&mut table, number), number), None);
            } else if let Some((&place, &number)) =
                places.range((seed >> 32) as u32 % 512..).next().or(places.iter().next())
            {
                places.remove(&place);
                assert_eq!(table.remove(place, number), Some(number));
            }
            assert_eq!(table.len(), places.len());
            assert_eq!(table.roomy.len(), table.pages.iter().filter(|page| !page.is_full()).count());
        }
        let mut expected: Vec<u64> = places.into_values().collect();
        expected.sort();
        assert_eq!(numbers(&table), expected);
    }

    #[test]
    fn what_is_not_needed_is_given_back() {
        let (mut table, places) = table(1_000);
        for (number, place) in (0..).zip(places.clone()).filter(|(number, _)| *number != 500) {
            table.remove(place, number);
        }
        let kept: usize = table.pages.iter().map(|page| page.entries.capacity()).sum();
        assert!(kept <= SPAN as usize, "{kept}");
        table.remove(places[500], 500);
        assert_eq!((table.len(), table.is_empty()), (0, true));
        assert_eq!((table.pages.capacity(), table.roomy.capacity()), (0, 0));
    }
}
