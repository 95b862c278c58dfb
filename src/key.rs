//! What a child can be called by its users: [`Key`], and [`ChildKey`] which holds one of any type.
//!
//! Strings of all kinds are one kind of key, and so are integers of all sizes: who starts a child with `"a".to_owned()`
//! and `7_u64` finds it with `"a"` and `7`. All other keys are equal only to keys of their own type.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::unwind::Contained;

/// Anything a child can be called: `Hash + Eq + Display + Send + 'static`, and `str` to look one up.
///
/// There is nothing to implement. `Hash` and `Eq` of a type of your own are called in the supervisor's turn, where a
/// panic fails the request and nothing else, and by `whereis`, where it reaches the caller; they must not look for the same
/// key themselves. `Display` is for people and logs.
pub trait Key: sealed::Sealed {
    /// The key as one of any type.
    #[doc(hidden)]
    fn query(&self) -> Query<'_>;
}

mod sealed {
    pub trait Sealed {}
    impl<K: std::hash::Hash + Eq + std::fmt::Display + Send + 'static> Sealed for K {}
    impl Sealed for str {}
}

impl<K: Hash + Eq + fmt::Display + Send + 'static> Key for K {
    fn query(&self) -> Query<'_> {
        match plain(self) {
            Some(plain) => Query(Asked::Plain(plain)),
            None => Query(Asked::Other(self)),
        }
    }
}

impl Key for str {
    fn query(&self) -> Query<'_> {
        Query(Asked::Plain(Plain::Text(self.into())))
    }
}

/// A key that is looked for.
#[doc(hidden)]
pub struct Query<'a>(pub(crate) Asked<'a>);

pub(crate) enum Asked<'a> {
    Plain(Plain),
    Other(&'a dyn Other),
}

/// A key whose type has been forgotten. A clone is the same key.
#[derive(Clone)]
pub struct ChildKey(pub(crate) Repr);

#[derive(Clone)]
pub(crate) enum Repr {
    Plain(Plain),
    Other(OtherKey),
}

/// Keys that are compared here, by no code of a user's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Plain {
    Text(Arc<str>),
    Number(i128),
}

/// A key of a type of the user's own. Locked, as it need not be `Sync`.
#[derive(Clone)]
pub(crate) struct OtherKey(Arc<Mutex<Contained<Box<dyn Other>>>>);

impl ChildKey {
    /// Holds `key`.
    pub fn new<K: Hash + Eq + fmt::Display + Send + 'static>(key: K) -> Self {
        Self(match plain(&key) {
            Some(plain) => Repr::Plain(plain),
            None => Repr::Other(OtherKey(Arc::new(Mutex::new(Contained::new(Box::new(key)))))),
        })
    }
}

/// A key as text or number, if its type is one of the standard library's for that.
fn plain<K: 'static>(key: &K) -> Option<Plain> {
    let key: &dyn Any = key;
    macro_rules! texts {
        ($($text:ty),*) => {
            $(if let Some(text) = key.downcast_ref::<$text>() {
                return Some(Plain::Text(Arc::from(&**text)));
            })*
        };
    }
    macro_rules! numbers {
        ($($number:ty),*) => {
            $(if let Some(number) = key.downcast_ref::<$number>() {
                return i128::try_from(*number).ok().map(Plain::Number);
            })*
        };
    }
    texts!(String, &'static str, Box<str>, Arc<str>, Rc<str>, Cow<'static, str>);
    numbers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
    None
}

/// What is asked of a key whose type is not known here. All of it is user code.
pub(crate) trait Other: Send {
    fn hash_with(&self, hashers: &std::hash::RandomState) -> u64;
    fn hash_into(&self, hasher: &mut dyn Hasher);
    fn is(&self, other: &dyn Any) -> bool;
    fn as_any(&self) -> &dyn Any;
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<K: Hash + Eq + fmt::Display + Send + 'static> Other for K {
    fn hash_with(&self, hashers: &std::hash::RandomState) -> u64 {
        hashers.hash_one(self)
    }

    fn hash_into(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }

    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<K>().is_some_and(|other| self == other)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl OtherKey {
    /// Another thread may look at it at the same time; a panic of its own code does not harm it.
    fn lock(&self) -> MutexGuard<'_, Contained<Box<dyn Other>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the key to `look`.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&dyn Other) -> T) -> Option<T> {
        self.lock().get().map(|key| look(&**key))
    }

    /// Calls `Eq` of the user's.
    pub(crate) fn is(&self, other: &dyn Other) -> bool {
        self.with(|own| own.is(other.as_any())).unwrap_or(false)
    }

    /// Calls `Eq` of the user's. The locks are taken in one order, whoever compares: a user may give one key to many.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        if self.is_the_same(other) {
            return true;
        }
        let (first, second) = if Arc::as_ptr(&self.0) < Arc::as_ptr(&other.0) { (self, other) } else { (other, self) };
        first.with(|first| second.is(first)).unwrap_or(false)
    }

    pub(crate) fn is_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K: Hash + Eq + fmt::Display + Send + 'static> From<K> for ChildKey {
    fn from(key: K) -> Self {
        Self::new(key)
    }
}

/// Where a key leads: the same number in every process and for every release of Rust. May call the key's `Hash`.
///
/// Rule: an integer leads to its magnitude, as in Elixir; all else to a hash.
pub(crate) fn route(key: &(impl Key + ?Sized)) -> u64 {
    match key.query().0 {
        Asked::Plain(plain) => plain.route(),
        Asked::Other(other) => route_other(other),
    }
}

impl ChildKey {
    /// As [`route`] of what it holds.
    pub(crate) fn route(&self) -> u64 {
        match &self.0 {
            Repr::Plain(plain) => plain.route(),
            Repr::Other(other) => other.with(route_other).unwrap_or_default(),
        }
    }
}

impl Plain {
    fn route(&self) -> u64 {
        match self {
            // Of one beyond 64 bits the low ones: as good as any, and always the same.
            Self::Number(number) => number.unsigned_abs() as u64,
            Self::Text(text) => {
                let mut hasher = Fnv::new();
                hasher.write(text.as_bytes());
                hasher.finish()
            }
        }
    }
}

fn route_other(other: &dyn Other) -> u64 {
    let mut hasher = Fnv::new();
    other.hash_into(&mut hasher);
    hasher.finish()
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Displays the key, by code of the user's if it is of a type of theirs.
struct Shown<'a>(&'a ChildKey);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 .0 {
            Repr::Plain(Plain::Text(text)) => f.write_str(text),
            Repr::Plain(Plain::Number(number)) => number.fmt(f),
            Repr::Other(key) => key.with(|key| key.show(f)).unwrap_or(Ok(())),
        }
    }
}

impl ChildKey {
    /// The key as text for people, cut and escaped.
    pub(crate) fn text(&self) -> String {
        crate::unwind::text_of(Shown(self))
    }
}

impl fmt::Debug for ChildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildKey({})", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_of(key: &(impl Key + ?Sized)) -> Option<Plain> {
        match key.query().0 {
            Asked::Plain(plain) => Some(plain),
            Asked::Other(_) => None,
        }
    }

    #[test]
    fn strings_of_all_kinds_are_the_same_key() {
        let text = plain_of("a");
        assert!(text.is_some());
        assert_eq!(plain_of(&"a"), text);
        assert_eq!(plain_of(&String::from("a")), text);
        assert_eq!(plain_of(&Arc::<str>::from("a")), text.filter(|_| true));
        assert_ne!(plain_of("a"), plain_of("b"));
    }

    #[test]
    fn integers_of_all_sizes_are_the_same_key_and_no_text() {
        assert_eq!(plain_of(&7_u8), plain_of(&7_i64));
        assert_ne!(plain_of(&7), plain_of("7"));
        assert_ne!(plain_of(&-1_i32), plain_of(&u32::MAX));
        assert_eq!(plain_of(&u128::MAX), None, "compared as what it is");
    }

    fn other(key: char) -> OtherKey {
        match ChildKey::new(key).0 {
            Repr::Other(other) => other,
            Repr::Plain(_) => unreachable!("a letter is no text"),
        }
    }

    #[test]
    fn keys_of_other_types_are_equal_by_their_own_eq_or_because_they_are_the_same() {
        let (one, same, another) = (other('x'), other('x'), other('y'));
        assert!(one.equals(&same) && same.equals(&one) && one.equals(&one.clone()));
        assert!(!one.equals(&another) && !another.equals(&one));
        assert!(one.is_the_same(&one.clone()) && !one.is_the_same(&same));
    }

    #[test]
    fn keys_of_other_types_are_told_apart_by_their_hash() {
        let hashers = std::hash::RandomState::new();
        let hash = |key: char| other(key).with(|key| key.hash_with(&hashers));
        assert_eq!(hash('x'), hash('x'));
        assert_ne!(hash('x'), hash('y'));
        assert_eq!(format!("{:?}", ChildKey::new('x')), "ChildKey(x)");
    }

    #[test]
    fn a_key_leads_to_the_same_place_always() {
        assert_eq!([route(&7), route(&-7_i8), route("7")], [7, 7, 0xaf63_aa4c_8601_9796]);
        assert_eq!(route("foobar"), 0x8594_4171_f739_67e8, "as published for FNV-1a");
        assert_eq!([ChildKey::new("foobar").route(), ChildKey::new(7_u64).route()], [route("foobar"), 7]);
        assert_eq!(ChildKey::new('x').route(), route(&'x'));
        assert_ne!(route(&'x'), route(&'y'));
    }

    #[test]
    fn a_key_prints_what_it_displays_cut_and_escaped() {
        assert_eq!(ChildKey::new("a\nb").text(), "a\\nb");
        assert_eq!(ChildKey::new(7).text(), "7");
        assert_eq!(ChildKey::new('x').text(), "x");
    }
}
