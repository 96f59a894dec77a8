//! Signing in to OpenTAKServer, as its own web pages do (Flask-Security's JSON login).
//!
//! The session is kept over rounds. A login that was refused is not tried again before the
//! configuration changes or some time has passed: nobody's account is locked by a monitor.
//!
//! Architecture invariant: the password is sent nowhere else, and is in no message.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::json::{self, Loose};
use super::{Access, Asking, Miss, is_due};
use crate::collect::tak::checks::http::{Post, Request, Response};
use crate::collect::tak::targets::{Target, is_local};
use crate::config::Secret;

const LOGIN: &str = "/api/login";

/// A refused login rests this long.
const REST: Duration = Duration::from_secs(600);

/// Nothing but JSON: without, it sends browsers' pages and redirects.
pub const JSON: &str = "application/json";

/// What proves that takpulse has signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    cookie: Secret,
}

impl Session {
    /// For the `Cookie` header.
    pub fn cookie(&self) -> &str {
        self.cookie.reveal()
    }
}

/// A login that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    login: (String, Secret),
    when: Instant,
    access: Access,
}

/// Whether what is sent there can be read on the way.
pub fn is_readable(target: &Target) -> bool {
    !target.role.is_tls() && !is_local(&target.host)
}

/// Signs in, if there is no session yet.
pub(super) async fn sign_in(asking: &mut Asking<'_>, login: Option<&(String, Secret)>) -> Access {
    let Some(login) = login else { return Access::NoLogin };
    if is_readable(&asking.line.target) {
        return Access::Readable;
    }
    if !asking.line.keeps_secrets() {
        return Access::Unproven;
    }
    if asking.told.memory.session.is_some() {
        return Access::SignedIn;
    }
    let now = Instant::now();
    if let Some(refused) = &asking.told.memory.refused
        && refused.login == *login
        && !is_due(Some(refused.when), REST, now)
    {
        return refused.access;
    }
    let access = try_login(asking, login).await;
    asking.told.memory.refused = matches!(access, Access::Refused | Access::SecondFactor)
        .then(|| Refused { login: login.clone(), when: now, access });
    access
}

/// A session that opens nothing: the login rests as a refused one does.
pub(super) fn reject(asking: &mut Asking<'_>, login: Option<&(String, Secret)>) {
    let refused = |login: &(String, Secret)| Refused {
        login: login.clone(),
        when: Instant::now(),
        access: Access::Refused,
    };
    asking.told.access = Access::Refused;
    asking.told.memory.session = None;
    asking.told.memory.refused = login.map(refused);
}

async fn try_login(asking: &mut Asking<'_>, login: &(String, Secret)) -> Access {
    let form = Request { accept: JSON, ..Request::get(LOGIN) };
    let Ok(form) = asking.request(&form).await else { return Access::Unanswered };
    let token = match token(&form.body) {
        Ok(token) => token,
        Err(why) => {
            if let Some(heard) = asking.told.heard.last_mut() {
                heard.miss = Some(Miss::Unfit(why));
            }
            return Access::Unanswered;
        }
    };
    let jar = jar(&[], &form);
    let cookie = header(&jar);
    let referer = format!("{}/", asking.told.base);
    let body = serde_json::json!({ "username": login.0, "password": login.1.reveal() }).to_string();
    let post = Post { body: &body, csrf_token: &token, referer: &referer };
    let request =
        Request { accept: JSON, cookie: Some(&cookie), post: Some(post), ..Request::get(LOGIN) };
    let asked = asking.line.ask(&request).await;
    let (access, miss) = outcome(asked.result.as_ref());
    asking.note(LOGIN, asked.took, miss.as_ref());
    if let (Access::SignedIn, Ok(response)) = (access, asked.result.as_ref()) {
        let cookie = Secret::new(header(&self::jar(&jar, response)));
        asking.told.memory.session = Some(Session { cookie });
    }
    access
}

/// The token against forged requests.
pub(super) fn token(body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        response: json::Object<Form>,
    }
    #[derive(Deserialize)]
    struct Form {
        // Longer than the texts that are shown.
        #[serde(default)]
        csrf_token: Option<String>,
    }
    let answer: Answer = json::object(body)?;
    let token = answer.response.0.and_then(|form| form.csrf_token);
    let is_token = |token: &String| {
        !token.is_empty() && token.len() <= 1024 && token.bytes().all(|b| b.is_ascii_graphic())
    };
    token.filter(is_token).ok_or_else(|| "there is no token in the login form".to_owned())
}

/// What the answer to a login means, and what is to be noted of it.
pub(super) fn outcome(answer: Result<&Response, &super::Trouble>) -> (Access, Option<Miss>) {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        response: json::Object<Login>,
    }
    #[derive(Deserialize)]
    struct Login {
        #[serde(default)]
        tf_required: Loose,
    }
    let response = match answer {
        Ok(response) => response,
        Err(why) => return (Access::Unanswered, Some(Miss::Trouble(why.clone()))),
    };
    match response.status {
        200 => match json::object::<Answer>(&response.body) {
            Ok(Answer { response: json::Object(Some(login)) }) => {
                let second = login.tf_required.flag() == Some(true);
                (if second { Access::SecondFactor } else { Access::SignedIn }, None)
            }
            Ok(_) => {
                let why = "it says nothing of the login".to_owned();
                (Access::Unanswered, Some(Miss::Unfit(why)))
            }
            Err(why) => (Access::Unanswered, Some(Miss::Unfit(why))),
        },
        // Flask-Security says 400 to a wrong password.
        400 | 401 | 403 => (Access::Refused, None),
        status => (Access::Unanswered, Some(Miss::Status(status))),
    }
}

/// The cookies after a response.
fn jar(before: &[(String, String)], response: &Response) -> Vec<(String, String)> {
    let mut jar: Vec<_> = before
        .iter()
        .filter(|(name, _)| response.cookies.iter().all(|(new, _)| new != name))
        .cloned()
        .collect();
    jar.extend(response.cookies.iter().cloned());
    jar
}

fn header(jar: &[(String, String)]) -> String {
    let pairs: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::checks::Trouble;
    use crate::collect::tak::targets::Role;

    fn response(status: u16, body: &str, cookies: &[(&str, &str)]) -> Response {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let cookies = cookies.iter().map(own).collect();
        Response { status, body: body.into(), whole: true, packed: false, cookies }
    }

    #[test]
    fn a_password_goes_over_tls_or_stays_on_this_machine() {
        for (host, role, readable) in [
            ("tak.example", Role::Http, true),
            ("10.0.0.1", Role::Http, true),
            ("tak.example", Role::Https, false),
            ("127.0.0.1", Role::Http, false),
            ("::1", Role::Http, false),
            ("localhost", Role::Http, false),
        ] {
            let host = host.to_owned();
            let target = Target { host, port: 1, role, expected: true, answered: false };
            assert_eq!(is_readable(&target), readable, "{target:?}");
        }
    }

    #[test]
    fn the_answer_to_a_login_is_understood() {
        let user = r#"{"meta":{"code":200},"response":{"user":{},"tf_required":false}}"#;
        let wrong = r#"{"meta":{"code":400},"response":{"errors":["Authentication failed"]}}"#;
        let unfit = |why: &str| Some(Miss::Unfit(why.into()));
        for (status, body, access, miss) in [
            (200, user, Access::SignedIn, None),
            (200, r#"{"response":{}}"#, Access::SignedIn, None),
            (200, r#"{"response":{"tf_required":true}}"#, Access::SecondFactor, None),
            (200, "{}", Access::Unanswered, unfit("it says nothing of the login")),
            (
                200,
                "<html>",
                Access::Unanswered,
                unfit("it is not the JSON that was expected (line 1)"),
            ),
            (400, wrong, Access::Refused, None),
            (401, "", Access::Refused, None),
            (403, "", Access::Refused, None),
            (429, "", Access::Unanswered, Some(Miss::Status(429))),
            (500, "", Access::Unanswered, Some(Miss::Status(500))),
            (302, "", Access::Unanswered, Some(Miss::Status(302))),
        ] {
            let answer = response(status, body, &[]);
            assert_eq!(outcome(Ok(&answer)), (access, miss), "{status} {body}");
        }
        let hung = Trouble::Closed;
        assert_eq!(outcome(Err(&hung)), (Access::Unanswered, Some(Miss::Trouble(Trouble::Closed))));
    }

    #[test]
    fn a_token_is_taken_and_what_cannot_be_sent_is_none() {
        let form = r#"{"meta":{},"response":{"csrf_token":"IjQ2.aSQ","identity_attributes":[]}}"#;
        assert_eq!(token(form.as_bytes()), Ok("IjQ2.aSQ".into()));
        for wrong in [
            "{}",
            r#"{"response":{}}"#,
            r#"{"response":{"csrf_token":null}}"#,
            r#"{"response":{"csrf_token":""}}"#,
            r#"{"response":{"csrf_token":"a\r\nX-Evil: 1"}}"#,
        ] {
            assert!(token(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_new_cookie_replaces_the_old_one() {
        let first = jar(&[], &response(200, "", &[("session", "1"), ("XSRF-TOKEN", "t")]));
        let second = jar(&first, &response(200, "", &[("session", "2")]));
        assert_eq!(header(&second), "XSRF-TOKEN=t; session=2");
        let session = Session { cookie: Secret::new(header(&second)) };
        assert!(!format!("{session:?}").contains("session=2"), "{session:?}");
    }
}
