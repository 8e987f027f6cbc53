//! JSON pointer → line and column.

/// A position, both counted from 1.
pub(super) type Mark = (u32, u32);

/// Where each value and each key of a document stands.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    mark: Mark,
    children: Vec<Child>,
}

#[derive(Clone, Debug)]
struct Child {
    /// The key in a map; in a list the place is the name.
    key: Option<(Box<str>, Mark)>,
    node: usize,
}

impl Spans {
    /// Line and column of the value at a JSON pointer, or of the nearest value
    /// around it that stands in the file; (0, 0) if there is no file.
    pub fn locate(&self, pointer: &str) -> (u32, u32) {
        self.walk(pointer).0
    }

    /// Line and column of the key at a JSON pointer; for a list item or a value
    /// that does not stand in the file, the same as [`Self::locate`].
    pub fn locate_key(&self, pointer: &str) -> (u32, u32) {
        let (mark, key) = self.walk(pointer);
        key.unwrap_or(mark)
    }

    /// The deepest existing value on the way, and its own key if it is the one asked for.
    fn walk(&self, pointer: &str) -> (Mark, Option<Mark>) {
        let Some(mut node) = self.nodes.first() else { return ((0, 0), None) };
        let mut key = None;
        for token in pointer.split('/').skip(1) {
            let Some(child) = node.child(&unescape(token)) else { return (node.mark, None) };
            key = child.key.as_ref().map(|(_, mark)| *mark);
            match self.nodes.get(child.node) {
                Some(next) => node = next,
                None => return (node.mark, None),
            }
        }
        (node.mark, key)
    }

    /// Adds a value that is not yet in a map or list.
    pub(super) fn add(&mut self, mark: Mark) -> usize {
        self.nodes.push(Node { mark, children: Vec::new() });
        self.nodes.len() - 1
    }

    /// Puts a value into its map or list.
    pub(super) fn put(&mut self, parent: usize, key: Option<(Box<str>, Mark)>, node: usize) {
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.push(Child { key, node });
        }
    }

    /// Where a key of a map was first seen.
    pub(super) fn key_mark(&self, map: usize, name: &str) -> Option<Mark> {
        self.nodes.get(map)?.child(name)?.key.as_ref().map(|(_, mark)| *mark)
    }
}

impl Node {
    fn child(&self, token: &str) -> Option<&Child> {
        let named = |child: &&Child| child.key.as_ref().is_some_and(|(name, _)| **name == *token);
        match self.children.first()?.key {
            Some(_) => self.children.iter().find(named),
            None => self.children.get(token.parse::<usize>().ok()?),
        }
    }
}

/// One step further down a JSON pointer.
pub fn push(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// A JSON pointer as people write it: `spec.services[0].image`, and
/// `metadata.labels[tenantry.dev/tenant]` for keys that are no plain names.
pub fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1).map(unescape) {
        let plain = token.starts_with(|c: char| c.is_ascii_alphabetic())
            && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match (plain, path.is_empty()) {
            (true, true) => path.push_str(&token),
            (true, false) => path.extend([".", &token]),
            (false, _) => path.extend(["[", &token, "]"]),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_read_as_paths() {
        for (pointer, path) in [
            ("", ""),
            ("/spec/services/0/image", "spec.services[0].image"),
            ("/metadata/labels/tenantry.dev~1tenant", "metadata.labels[tenantry.dev/tenant]"),
            ("/0/a", "[0].a"),
            ("/a~01", "[a~1]"),
        ] {
            assert_eq!(dotted(pointer), path);
        }
        assert_eq!(push("/a", "b/~c"), "/a/b~1~0c");
    }

    #[test]
    fn what_is_not_there_is_found_at_what_surrounds_it() {
        let mut spans = Spans::default();
        let root = spans.add((1, 1));
        let list = spans.add((2, 3));
        let item = spans.add((3, 5));
        spans.put(list, None, item);
        spans.put(root, Some(("list".into(), (2, 1))), list);
        assert_eq!(spans.locate("/list/0"), (3, 5));
        assert_eq!(spans.locate_key("/list/0"), (3, 5));
        assert_eq!(spans.locate_key("/list"), (2, 1));
        assert_eq!(spans.locate("/list/7/x"), (2, 3));
        assert_eq!(spans.locate("/other"), (1, 1));
        assert_eq!(Spans::default().locate("/x"), (0, 0));
    }
}
