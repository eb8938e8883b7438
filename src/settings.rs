//! The owner's choices, from the environment variables that `template.yaml` sets.

use std::{env, error::Error};

use crate::{CookieLifetime, EmbedOrigins};

/// The function's settings. By default, browsers keep the cookie as long as they can, and no other site may
/// show the count.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long the browser keeps the cookie.
    pub cookie_lifetime: CookieLifetime,
    /// The sites whose pages may show the count.
    pub embed_origins: EmbedOrigins,
}

impl Settings {
    /// Reads [`CookieLifetime::VARIABLE`] and [`EmbedOrigins::VARIABLE`]. A variable that is not set has its
    /// default.
    ///
    /// # Errors
    ///
    /// If a variable has an invalid value. The error names the variable and its value, and says what is
    /// expected.
    pub fn from_env() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut settings = Self::default();
        if let Some(value) = env::var_os(CookieLifetime::VARIABLE) {
            settings.cookie_lifetime = value
                .to_string_lossy()
                .parse()
                .map_err(|error| format!("{}={error}", CookieLifetime::VARIABLE))?;
        }
        if let Some(value) = env::var_os(EmbedOrigins::VARIABLE) {
            settings.embed_origins = value
                .to_string_lossy()
                .parse()
                .map_err(|error| format!("{}: {error}", EmbedOrigins::VARIABLE))?;
        }
        Ok(settings)
    }
}
