//! The page: four files that are part of the program.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::OnceLock,
};

use actix_web::{
    http::header::{self, ContentType},
    HttpRequest, HttpResponse,
};

/// One file of the page.
pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    content: &'static str,
    tag: OnceLock<String>,
}

pub(super) static PAGE: Asset = Asset::new("/", "text/html; charset=utf-8", include_str!("assets/index.html"));

/// What the page needs.
pub(super) static ASSETS: [Asset; 3] = [
    Asset::new("/app.js", "text/javascript; charset=utf-8", include_str!("assets/app.js")),
    Asset::new("/style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    Asset::new("/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

impl Asset {
    const fn new(path: &'static str, kind: &'static str, content: &'static str) -> Self {
        Self { path, kind, content, tag: OnceLock::new() }
    }

    /// The file; or that it is what the browser has already.
    pub(super) fn response(&self, request: &HttpRequest) -> HttpResponse {
        let tag = self.tag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            self.content.hash(&mut hasher);
            format!("\"{:016x}\"", hasher.finish())
        });
        let known = request.headers().get(header::IF_NONE_MATCH);
        let mut response = if known.is_some_and(|known| known == tag.as_str()) {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response.insert_header((header::ETAG, tag.as_str())).insert_header((header::CACHE_CONTROL, "no-cache"));
        if known.is_some_and(|known| known == tag.as_str()) {
            return response.finish();
        }
        response.insert_header((header::CONTENT_TYPE, self.kind)).body(self.content)
    }
}

/// To the page itself, which asks for all else relative to the folder it is in.
///
/// Relative, as nobody here knows what stands before the path outside.
pub(super) fn redirect(request: &HttpRequest) -> HttpResponse {
    let folder = request.path().rsplit('/').next().unwrap_or_default();
    if folder.is_empty() {
        // It is there already: the dashboard is at the root of all.
        return PAGE.response(request);
    }
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, format!("./{folder}/")))
        .insert_header(ContentType::plaintext())
        .finish()
}
