//! Passwords among the arguments of well-known programs, where a letter is all that tells: `mysql -pVALUE`,
//! `docker login -p VALUE`, `echo VALUE | chpasswd`.

use super::shell::{Simple, flatten};
use crate::secrets::embedded::argument_values;
use crate::secrets::judge::is_likely;

/// How a program takes a password.
enum Way {
    /// `-p VALUE` and `-pVALUE`.
    Either(&'static str),
    /// `-pVALUE` alone: by itself the letter asks for one, or means another thing.
    Glued(&'static str),
    /// `-u NAME:VALUE`, `-U NAME%VALUE`.
    After(&'static str, char),
    /// `-passin pass:VALUE`.
    Marked(&'static str),
}

use Way::{After, Either, Glued, Marked};

/// Programs and the ways in which they do. A name stands for all that begin with it and a hyphen.
const PROGRAMS: &[(&[&str], &[Way])] = &[
    (&["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mariadb", "mycli"], &[Glued("-p")]),
    (
        &[
            "sshpass",
            "rabbitmqadmin",
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "mongoimport",
        ],
        &[Either("-p")],
    ),
    (&["redis-cli", "valkey-cli", "keydb-cli"], &[Either("-a")]),
    (&["unzip", "zip", "sqlcmd", "bcp", "mosquitto_pub", "mosquitto_sub"], &[Either("-P")]),
    (&["7z", "7za", "7zr", "rar", "unrar"], &[Glued("-p"), Glued("-hp")]),
    (&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"], &[Either("-w")]),
    (&["curl"], &[After("-u", ':'), After("--user", ':'), After("-U", ':'), After("--proxy-user", ':')]),
    (&["http", "https", "xh"], &[After("-a", ':'), After("--auth", ':')]),
    (&["smbclient", "rpcclient", "smbget"], &[After("-U", '%'), After("--user", '%')]),
    (&["openssl"], &[Marked("-passin"), Marked("-passout"), Marked("-pass"), Either("-k")]),
    (&["keytool", "jarsigner"], &[Either("-storepass"), Either("-keypass")]),
];

/// Programs whose `login` takes `-p VALUE`.
const LOGINS: &[&str] =
    &["docker", "podman", "buildah", "nerdctl", "skopeo", "helm", "oras", "crane", "az", "oc"];

/// Every password in these commands, those of `sh -c` too.
pub fn in_commands(commands: &[Simple]) -> Vec<String> {
    let mut found = Vec::new();
    for (command, into) in flatten(commands) {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        found.extend(argument_values(&words).into_iter().map(|at| words[at].to_owned()));
        let Some((program, arguments)) = command.program() else { continue };
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        found.extend(of_program(program, &words));
        found.extend(into.first().and_then(|next| fed(program, &words, next)));
    }
    // `-u bot:VALUE` is told by both.
    let all = found.clone();
    found.retain(|one| !all.iter().any(|other| other.len() < one.len() && one.ends_with(other.as_str())));
    found.sort();
    found.dedup();
    found
}

fn is_password(value: &str) -> bool {
    is_likely("password", value)
}

fn of_program(program: &str, words: &[&str]) -> Vec<String> {
    let same = |name: &&str| {
        program == *name || program.strip_prefix(*name).is_some_and(|rest| rest.starts_with('-'))
    };
    let mut ways: Vec<&Way> = Vec::new();
    PROGRAMS.iter().filter(|(names, _)| names.iter().any(&same)).for_each(|(_, own)| ways.extend(own.iter()));
    if LOGINS.contains(&program) && words.contains(&"login") {
        ways.push(&Either("-p"));
    }
    let mut found: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().filter(|next| !next.starts_with('-'));
        let value = ways.iter().find_map(|way| match way {
            Either(flag) if word == flag => next,
            Either(flag) | Glued(flag) => {
                word.strip_prefix(flag).filter(|_| flag.len() == 2 || *flag == "-hp")
            }
            After(flag, mark) => {
                let whole =
                    if word == flag { next } else { word.strip_prefix(flag).filter(|_| flag.len() == 2) };
                whole.and_then(|whole| whole.split_once(*mark)).map(|(_, value)| value)
            }
            Marked(flag) if word == flag => next.and_then(|next| next.strip_prefix("pass:")),
            Marked(_) => None,
        });
        found.extend(value.filter(|value| is_password(value)).map(str::to_owned));
    }
    // `htpasswd -b FILE USER VALUE`
    let batch = |word: &&&str| word.starts_with('-') && !word.starts_with("--") && word.contains('b');
    if program == "htpasswd" && words.iter().any(|word| batch(&word)) {
        found.extend(words.last().filter(|value| is_password(value)).map(|value| (*value).to_owned()));
    }
    found
}

/// `echo VALUE | docker login --password-stdin`, `echo USER:VALUE | chpasswd`
fn fed(program: &str, words: &[&str], next: &Simple) -> Option<String> {
    let (reader, arguments) = next.program()?;
    let asks = |flag: &String| matches!(flag.as_str(), "--password-stdin" | "--with-token" | "--token-stdin");
    let value = *words.last().filter(|_| matches!(program, "echo" | "printf"))?;
    let value = match reader {
        "chpasswd" => value.split_once(':')?.1,
        _ if arguments.iter().any(asks) => value,
        _ => return None,
    };
    is_password(value).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::shell::parse;
    use super::*;

    #[test]
    fn passwords_are_found_where_programs_take_them() {
        let password = ["cedar", "Lp7", "xQ9"].concat();
        for line in [
            "mysql -u root -p@ app",
            "mysqladmin ping -p@",
            "sshpass -p @ ssh host",
            "docker login -u bot -p @ registry.example.com",
            "redis-cli -a @ ping",
            "unzip -P @ a.zip",
            "7z x -p@ a.7z",
            "curl -u bot:@ https://example.com",
            "curl -ubot:@ https://example.com",
            "smbclient -U bot%@ //host/share",
            "openssl rsa -passin pass:@ -in k.pem",
            "ldapsearch -x -w @",
            "echo @ | docker login --password-stdin",
            "echo 'root:@' | sudo chpasswd",
            "sh -c 'redis-cli -a @ ping'",
            "htpasswd -bc users bot @",
            "tool --password @",
        ] {
            let line = line.replace('@', &password);
            assert_eq!(in_commands(&parse(&line)), [password.as_str()], "{line}");
        }
    }

    #[test]
    fn letters_that_mean_another_thing_and_references_are_left_alone() {
        for line in [
            "mysql -p app9x",
            "mkdir -p build/out1",
            "docker run -p 8080:80 image",
            "python -p x1y2z3",
            "redis-cli -a $REDIS_PASSWORD ping",
            "sshpass -p \"$PW\" ssh host",
            "cp -a src/a1 b2",
            "curl -u bot:$TOKEN https://example.com",
            "echo $TOKEN | docker login --password-stdin",
            "ssh -p 2222 host",
            "unzip -P changeme a.zip",
        ] {
            assert_eq!(in_commands(&parse(line)), [""; 0], "{line}");
        }
    }
}
