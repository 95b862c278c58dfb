//! Does a request that changes something come from the page itself?

use actix_web::{
    http::header::{self, HeaderName},
    HttpRequest,
};

use super::answer::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site has a browser send, and what does not say where it comes from.
///
/// Browsers say `Sec-Fetch-Site`, which no page can forge and no proxy rewrites; those that do not know it say `Origin`, which
/// must be the host that was asked.
pub(super) fn same_origin(request: &HttpRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    let mut sites = headers.get_all(SEC_FETCH_SITE).peekable();
    let is_own = if sites.peek().is_some() {
        sites.all(|site| site == "same-origin")
    } else {
        let mut origins = headers.get_all(header::ORIGIN);
        match (origins.next(), origins.next(), host(request)) {
            (Some(origin), None, Some(host)) => origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")))
                .is_some_and(|origin| origin.eq_ignore_ascii_case(&host)),
            _ => false,
        }
    };
    if is_own {
        Ok(())
    } else {
        Err(Refusal::Forbidden("this is for requests of the page itself"))
    }
}

/// The host that was asked, in the request itself: what a proxy adds can be forged.
fn host(request: &HttpRequest) -> Option<String> {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| request.uri().authority().map(|authority| authority.as_str())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_let_in(headers: &[(&'static str, &'static str)]) -> bool {
        let request = TestRequest::post().uri("/x");
        let request = headers.iter().fold(request, |request, header| request.append_header(*header));
        same_origin(&request.to_http_request()).is_ok()
    }

    #[test]
    fn a_browser_that_says_same_origin_is_let_in() {
        assert!(is_let_in(&[("sec-fetch-site", "same-origin")]));
        assert!(is_let_in(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://behind.proxy"),
            ("host", "inner:80")
        ]));
    }

    #[test]
    fn a_browser_that_says_anything_else_is_refused_whatever_its_origin() {
        for site in ["cross-site", "same-site", "none", "", "same-origin, cross-site"] {
            assert!(!is_let_in(&[("sec-fetch-site", site), ("origin", "http://a"), ("host", "a")]), "{site}");
        }
        assert!(!is_let_in(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn without_that_the_origin_must_be_the_host() {
        assert!(is_let_in(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(is_let_in(&[("origin", "https://Example.org"), ("host", "example.org")]));
        for origin in ["http://evil", "http://localhost", "null", "localhost:8080", "http://localhost:8080.evil", ""] {
            assert!(!is_let_in(&[("origin", origin), ("host", "localhost:8080")]), "{origin}");
        }
        assert!(!is_let_in(&[("origin", "http://a"), ("origin", "http://evil"), ("host", "a")]));
    }

    #[test]
    fn who_says_nothing_is_refused() {
        assert!(!is_let_in(&[]));
        assert!(!is_let_in(&[("host", "a")]));
        assert!(!is_let_in(&[("host", "a"), ("x-forwarded-host", "a"), ("referer", "http://a/")]));
    }
}
