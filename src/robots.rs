//! Robots that name themselves: crawlers, link previews, monitors and health checks.
//!
//! They get the page as a person does, because a preview needs its title and a monitor looks for a word in it. They
//! leave no line in the log, so that the owner's metrics count people.
//
// No crate fits: isbot needs regular expressions, which are a megabyte, and iscrawl takes curl, text browsers, an empty
// agent and every phone of the brand CUBOT for robots.

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// Parts of robots' agents, in lower case. `externalhit` is Facebook's, `imgproxy` Slack's, `probe` Kubernetes's, and
/// `synthetics` Datadog's. Most robots also give a URL that explains them.
const PARTS: &str = ":// archiver crawl externalagent externalhit googlehc health-check healthcheck imgproxy \
                     inspectiontool lighthouse mailto: mediapartners monitor nagios pingdom pinger preview probe \
                     site24x7 spider statuscake synthetics uptime zabbix";

/// Whether the client says in `User-Agent` that it is a robot.
pub(crate) fn is_named(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let agent = String::from_utf8_lossy(agent).to_ascii_lowercase();
    // WhatsApp's preview has only its name, with which the agents of other clients do not begin.
    agent.starts_with("whatsapp/") || PARTS.split(' ').any(|part| agent.contains(part)) || ends_a_word_in_bot(&agent)
}

/// Whether a word ends in `bot`. CUBOT is a brand of phones.
fn ends_a_word_in_bot(agent: &str) -> bool {
    let mut words = agent.split(|it: char| !it.is_ascii_alphabetic());
    words.any(|word| word.ends_with("bot") && word != "cubot")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_robot(agent: &'static str) -> bool {
        is_named(&HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]))
    }

    #[test]
    fn a_robot_that_names_itself_is_one() {
        for agent in [
            // Crawlers
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot-Image/1.0",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/130.0.0.0 Safari/537.36",
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "Mozilla/5.0 (compatible; YandexBot/3.0)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15 (Applebot/0.1)",
            "DuckDuckBot/1.1",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
            "Mozilla/5.0 (compatible; archive.org_bot)",
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (compatible; Bytespider)",
            "CCBot/2.0",
            "meta-externalagent/1.1",
            "Mozilla/5.0 (compatible; Nextcloud Server Crawler)",
            "Mozilla/5.0 (compatible; Google-InspectionTool/1.0)",
            "Mediapartners-Google",
            "ia_archiver",
            "Screaming Frog SEO Spider/21.0",
            // Link previews
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Slack-ImgProxy 0.19",
            "facebookexternalhit/1.1",
            "WhatsApp/2.23.20.0",
            "Twitterbot/1.0",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "TelegramBot (like TwitterBot)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/)",
            "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
            // Monitors and health checks
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "Uptime-Kuma/1.23.1",
            "Better Uptime Bot",
            "Pingdom.com_bot_version_1.4",
            "GoogleStackdriverMonitoring-UptimeChecks",
            "kube-probe/1.31",
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 CloudWatchSynthetics/arn:aws:synthetics:eu-central-1",
            "ELB-HealthChecker/2.0",
            "Amazon-Route53-Health-Check-Service (ref 01234567)",
            "Cloudflare-Healthchecks/1.0",
            "GoogleHC/1.0",
            "NewRelicPinger/1.0",
            "check_http/v2.4.9 (nagios-plugins 2.4.9)",
        ] {
            assert!(is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn anybody_else_is_a_person() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S928B) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            // Phones of the brand CUBOT
            "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/110.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; Cubot Note20 Build/QP1A.190711.020) AppleWebKit/537.36",
            // Browsers inside apps
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 340.0.0.22.109",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/480.0.0.36.109;FBDV/iPhone14,7]",
            "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0.0.0]",
            "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Version/4.0 Chrome/130.0.0.0 Mobile BytedanceWebview/d8a21c6",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 [Pinterest/iOS]",
            "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Mobile Safari/537.36 [LinkedInApp]/4.1.1000",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Snapchat/13.0.0.49 (like Safari/8620.1.16, panda)",
            "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.50",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 GSA/340.3.697 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Twitter for iPhone/10.60",
            "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Mobile Safari/537.36 WhatsApp/2.24.20.89",
            // Programs that a person starts, and browsers without pictures
            "curl/8.11.0",
            "Wget/1.24.5",
            "HTTPie/3.2.4",
            "python-requests/2.32.3",
            "Lynx/2.9.0 libwww-FM/2.14 SSL-MM/1.4.1",
            "w3m/0.5.3+git20230121",
            "ELinks/0.17.0 (textmode; Linux 6.1.0 x86_64; 80x24-2)",
            // Words that only look like a robot's
            "Botany/1.0",
            "Robotics/2.0",
            "",
        ] {
            assert!(!is_robot(agent), "{agent}");
        }
        assert!(!is_named(&HeaderMap::new()), "no agent");
    }
}
