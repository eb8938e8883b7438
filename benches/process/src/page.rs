//! The page that every contender serves: the one that the function itself served.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    contender::{Contender, Folders},
    function::Function,
};

/// The visit that everything is measured by: a browser's, behind a Function URL, that brings `count=2`.
#[derive(Debug)]
pub(crate) struct Event {
    value: Value,
}

impl Event {
    /// From the function's own sample events.
    pub(crate) fn read(folders: &Folders) -> io::Result<Self> {
        let text = fs::read_to_string(folders.root.join("events/return_visit.json"))?;
        Ok(Self {
            value: serde_json::from_str(&text)?,
        })
    }

    /// As Lambda delivers it.
    pub(crate) fn json(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }

    /// The same from a browser that sends other cookies along, as analytics and consent banners set
    /// them.
    pub(crate) fn with_neighbours(&self, neighbours: usize) -> Vec<u8> {
        self.with_cookies(
            (0..neighbours)
                .map(|number| format!("_neighbour_{number:02}=GA1.2.1234567890.1700000000"))
                .chain(["count=2".to_owned()])
                .collect(),
        )
    }

    fn with_count(&self, count: u64) -> Vec<u8> {
        self.with_cookies(vec![format!("count={count}")])
    }

    fn with_cookies(&self, cookies: Vec<String>) -> Vec<u8> {
        let mut value = self.value.clone();
        value["headers"]["cookie"] = Value::from(cookies.join("; "));
        value["cookies"] = Value::from(cookies);
        value.to_string().into_bytes()
    }
}

/// Files with the page.
#[derive(Debug)]
pub(crate) struct Page {
    /// As the function served it.
    pub(crate) rendered: PathBuf,
    /// With `{{ previous }}`, `{{ count }}` and `{{ next }}` in the place of the numbers.
    pub(crate) template: PathBuf,
}

impl Page {
    /// Has the function serve it.
    pub(crate) fn serve(counter: &Contender, event: &Event, folders: &Folders) -> io::Result<Self> {
        /// A number that nothing else in the page is.
        const PREVIOUS: u64 = 1_234_567;
        let mut function = Function::start(counter, &[])?;
        let (_, rendered) = function.visit(&event.json())?;
        let (_, marked) = function.visit(&event.with_count(PREVIOUS))?;
        function.end()?;
        let template = body(&marked)?
            .replace(&PREVIOUS.to_string(), "{{ previous }}")
            .replace(&(PREVIOUS + 1).to_string(), "{{ count }}")
            .replace(&(PREVIOUS + 2).to_string(), "{{ next }}");
        let page = Self {
            rendered: folders.target.join("page.html"),
            template: folders.target.join("page_template.html"),
        };
        write_if_changed(&page.rendered, &body(&rendered)?)?;
        write_if_changed(&page.template, &template)?;
        Ok(page)
    }

    /// Makes sure that an answer holds the same page.
    pub(crate) fn is_body_of(&self, answer: &[u8]) -> io::Result<bool> {
        Ok(body(answer)? == fs::read_to_string(&self.rendered)?)
    }
}

fn body(answer: &[u8]) -> io::Result<String> {
    let answer: Value = serde_json::from_slice(answer)?;
    answer["body"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other(format!("an answer without a body: {answer}")))
}

/// Leaves an unchanged file its age, so that nothing is built again for it.
fn write_if_changed(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}
