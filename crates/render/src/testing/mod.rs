//! What tests share: a small page that patches are applied to as the browser does, and the normal form of HTML.
#![cfg(test)]

use scraper::{Html, Node};

use crate::Patch;

/// An element or text of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dom {
    Text(String),
    Element { tag: String, attributes: Vec<(String, String)>, children: Vec<Dom> },
}

impl Dom {
    fn attribute(&self, name: &str) -> Option<&str> {
        match self {
            Dom::Element { attributes, .. } => {
                attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
            }
            Dom::Text(_) => None,
        }
    }

    fn children_mut(&mut self) -> Option<&mut Vec<Dom>> {
        match self {
            Dom::Element { children, .. } => Some(children),
            Dom::Text(_) => None,
        }
    }

    fn find(&mut self, is_it: &dyn Fn(&Dom) -> bool) -> Option<&mut Dom> {
        if is_it(self) {
            return Some(self);
        }
        self.children_mut()?.iter_mut().find_map(|child| child.find(is_it))
    }
}

/// An answer's element.
pub(crate) struct Page {
    root: Dom,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self { root: Dom::Element { tag: "div".into(), attributes: Vec::new(), children: Vec::new() } }
    }

    pub(crate) fn apply(&mut self, patches: &[Patch]) {
        for patch in patches {
            match patch {
                Patch::Set { block, html } => {
                    let number = block.to_string();
                    if self.block(&number).is_none() {
                        let attributes = vec![("data-block".into(), number.clone())];
                        let new = Dom::Element { tag: "div".into(), attributes, children: Vec::new() };
                        self.root.children_mut().unwrap().push(new);
                    }
                    let Some(Dom::Element { tag, children, .. }) = self.block(&number) else { unreachable!() };
                    *children = parse(html, tag);
                }
                Patch::Append { block, html } => {
                    let number = block.to_string();
                    let element = self.block(&number).unwrap_or_else(|| panic!("no block {number} for {html:?}"));
                    let tail = element
                        .children_mut()
                        .unwrap()
                        .iter_mut()
                        .find_map(|child| child.find(&|dom| dom.attribute("data-tail").is_some()));
                    let Some(Dom::Element { tag, children, .. }) = tail else {
                        panic!("no tail in block {number} for {html:?}")
                    };
                    let more = parse(html, &tag.clone());
                    children.extend(more);
                }
            }
        }
    }

    fn block(&mut self, number: &str) -> Option<&mut Dom> {
        self.root.find(&|dom| dom.attribute("data-block") == Some(number))
    }

    /// What the page shows, in the normal form.
    pub(crate) fn normal(&self) -> String {
        let Dom::Element { children, .. } = &self.root else { unreachable!() };
        print(&normal(children))
    }
}

/// Parses what goes into an element of this name, as `innerHTML` does.
pub(crate) fn parse(html: &str, inside: &str) -> Vec<Dom> {
    let (before, after, depth) = match inside {
        "tbody" => ("<table><tbody>", "</tbody></table>", 2),
        "tr" => ("<table><tbody><tr>", "</tr></tbody></table>", 3),
        _ => ("", "", 0),
    };
    let parsed = Html::parse_fragment(&format!("{before}{html}{after}"));
    let mut nodes = children_of(*parsed.root_element());
    for _ in 0..depth {
        let Some(Dom::Element { children, .. }) = nodes.into_iter().next() else { return Vec::new() };
        nodes = children;
    }
    nodes
}

fn children_of(node: ego_tree::NodeRef<'_, Node>) -> Vec<Dom> {
    node.children()
        .map(|child| match child.value() {
            Node::Text(text) => Dom::Text(text.to_string()),
            Node::Element(element) => Dom::Element {
                tag: element.name().to_owned(),
                attributes: element.attrs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
                children: children_of(child),
            },
            _ => panic!("neither element nor text: {:?}", child.value()),
        })
        .collect()
}

/// HTML in the normal form: without the marks of a stream, neighbours of text and of one kind of piece joined.
pub(crate) fn normal_html(html: &str) -> String {
    print(&normal(&parse(html, "div")))
}

fn normal(nodes: &[Dom]) -> Vec<Dom> {
    let mut out: Vec<Dom> = Vec::new();
    for node in nodes {
        match node {
            Dom::Text(text) => match out.last_mut() {
                Some(Dom::Text(before)) => before.push_str(text),
                _ if text.is_empty() => {}
                _ => out.push(node.clone()),
            },
            Dom::Element { tag, attributes, children } => {
                let is_mark = attributes.iter().any(|(key, _)| key == "data-block" || key == "data-tail");
                let children = normal(children);
                if is_mark && (tag == "div" || tag == "span") {
                    for child in children {
                        match (out.last_mut(), child) {
                            (Some(Dom::Text(before)), Dom::Text(text)) => before.push_str(&text),
                            (_, child) => out.push(child),
                        }
                    }
                    continue;
                }
                let mut attributes: Vec<_> =
                    attributes.iter().filter(|(key, _)| key != "data-block" && key != "data-tail").cloned().collect();
                attributes.sort();
                out.push(Dom::Element { tag: tag.clone(), attributes, children });
            }
        }
    }
    out
}

fn print(nodes: &[Dom]) -> String {
    let mut out = String::new();
    for node in nodes {
        match node {
            Dom::Text(text) => out.push_str(&text.replace('<', "&lt;")),
            Dom::Element { tag, attributes, children } => {
                out.push_str(&format!("<{tag}"));
                for (key, value) in attributes {
                    out.push_str(&format!(" {key}={value:?}"));
                }
                out.push_str(&format!(">{}</{tag}>", print(children)));
                if matches!(tag.as_str(), "p" | "li" | "tr" | "div" | "ul" | "ol" | "blockquote") {
                    out.push('\n');
                }
            }
        }
    }
    out
}
