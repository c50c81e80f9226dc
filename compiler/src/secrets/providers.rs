//! Who issues credentials and what they look like: data, one entry a provider. The shapes' language is in `shape`.

use super::checksum::Check;
use super::provider::{Provider, h, p};

/// Every provider. Where two shapes match the same text the longer match wins, then the earlier entry.
pub static PROVIDERS: &[Provider] = &[
    // Models and machine learning.
    p("anthropic", "Anthropic API key", &["sk-ant-%l{3,8}-%w{24,}"]).at(&["api.anthropic.com"]),
    p("openrouter", "OpenRouter API key", &["sk-or-v1-%h{64}"]).at(&["openrouter.ai"]),
    p(
        "openai",
        "OpenAI API key",
        &[
            "sk-proj-%w{20,}",
            "sk-svcacct-%w{20,}",
            "sk-admin-%w{20,}",
            "sk-None-%w{20,}",
            "sk-%b{20}T3BlbkFJ%b{20}",
        ],
    )
    .or_named(&["openai"], &["sk-%w{20,}"])
    .at(&["api.openai.com"]),
    p("huggingface", "Hugging Face token", &["hf_%a{34}", "api_org_%a{34}"]).at(&["huggingface.co"]),
    p("replicate", "Replicate API token", &["r8_%w{37}"]).at(&["api.replicate.com"]),
    p("groq", "Groq API key", &["gsk_%b{52}"]).at(&["api.groq.com"]),
    p("perplexity", "Perplexity API key", &["pplx-%b{48}"]).at(&["api.perplexity.ai"]),
    p("xai", "xAI API key", &["xai-%b{80}"]).at(&["api.x.ai"]),
    p("fireworks", "Fireworks API key", &["fw_%b{22,24}"]).at(&["api.fireworks.ai"]),
    p("nvidia", "NVIDIA API key", &["nvapi-%w{64}"]).at(&["integrate.api.nvidia.com"]),
    p("langsmith", "LangSmith API key", &["lsv2_pt_%h{32}_%h{10}", "lsv2_sk_%h{32}_%h{10}"]),
    p("langfuse", "Langfuse secret key", &["sk-lf-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("pinecone", "Pinecone API key", &["pcsk_%b{5,6}_%b{50,72}"]),
    p("tavily", "Tavily API key", &["tvly-%b{32}", "tvly-dev-%b{32}", "tvly-prod-%b{32}"]),
    p("voyage", "Voyage AI API key", &["pa-%w{43}"]),
    p("cerebras", "Cerebras API key", &["csk-%l{48}"]),
    p("e2b", "E2B API key", &["e2b_%h{40}"]),
    p("wandb", "Weights & Biases API key", &["wandb_v1_%w{77}"]).or_named(&["wandb"], &["%h{40}"]),
    h("cohere", "Cohere API key", &["cohere", "co_api"], &["%b{40}"]).at(&["api.cohere.com"]),
    h("mistral", "Mistral API key", &["mistral"], &["%b{32}"]).at(&["api.mistral.ai"]),
    h("deepseek", "DeepSeek API key", &["deepseek"], &["sk-%h{32}"]).at(&["api.deepseek.com"]),
    p("together", "Together AI API key", &["tgp_v1_%w{43}"])
        .or_named(&["together"], &["%h{64}"])
        .at(&["api.together.xyz"]),
    h("elevenlabs", "ElevenLabs API key", &["elevenlabs", "eleven_labs", "xi_api"], &["sk_%h{48}", "%h{32}"])
        .at(&["api.elevenlabs.io"]),
    h("assemblyai", "AssemblyAI API key", &["assemblyai", "assembly_ai"], &["%h{32}"]),
    h("deepgram", "Deepgram API key", &["deepgram"], &["%h{40}"]),
    h("stability", "Stability AI API key", &["stability"], &["sk-%b{48}"]),
    p("jina", "Jina API key", &["jina_%h{32}%w{28}"]).at(&["api.jina.ai"]),
    p("anyscale", "Anyscale key", &["esecret_%l{26}"]),
    p("runpod", "RunPod API key", &["rpa_%b{40,48}"]).at(&["api.runpod.io"]),
    p("helicone", "Helicone API key", &["sk-helicone-%l{7}-%l{7}-%l{7}-%l{7}"]),
    p("logfire", "Logfire token", &["pylf_v1_us_%b{43}", "pylf_v1_eu_%b{43}"]),
    p("prefect", "Prefect API key", &["pnu_%b{36}", "pnb_%b{36}"]).at(&["api.prefect.cloud"]),
    p("dbt", "dbt token", &["dbtc_%w{40,}", "dbtu_%w{40,}"]),
    p("cartesia", "Cartesia API key", &["sk_car_%b{20,24}"]).at(&["api.cartesia.ai"]),
    h("dashscope", "DashScope API key", &["dashscope", "qwen"], &["sk-%h{32}"]),
    h("moonshot", "Moonshot API key", &["moonshot", "kimi"], &["sk-%b{48}"]),
    h("siliconflow", "SiliconFlow API key", &["siliconflow"], &["sk-%l{48}"]),
    h("zhipu", "Zhipu API key", &["zhipu", "bigmodel", "glm_"], &["%h{32}.%b{16}"]),
    h("baseten", "Baseten API key", &["baseten"], &["%b{8}.%b{32}"]),
    h("fal", "fal key", &["fal_"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}:%h{32}"]).at(&["fal.run"]),
    h(
        "sambanova",
        "SambaNova API key",
        &["sambanova", "bfl_api", "luma_api"],
        &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"],
    ),
    h("brave", "Brave Search API key", &["brave"], &["BSA%w{24,30}"]),
    // Code and packages.
    p("github", "GitHub token", &["ghp_%b{36}", "gho_%b{36}", "ghu_%b{36}", "ghs_%b{36}", "ghr_%b{36,76}"])
        .checked(Check::Crc32Base62)
        .at(&["api.github.com", "github.com"]),
    p("github-fine", "GitHub fine-grained token", &["github_pat_%b{22}_%b{59}"])
        .at(&["api.github.com", "github.com"]),
    p(
        "gitlab",
        "GitLab token",
        &[
            "glpat-%w{20}",
            "glpat-%w{27,300}.%l{2}.%l{9}",
            "gldt-%w{20,}",
            "glrt-%w{20,}",
            "glptt-%h{40}",
            "glcbt-%b{1,5}_%w{20}",
            "glft-%w{20,}",
            "glffct-%w{20,}",
            "glwt-%w{20,}",
            "glimt-%w{25}",
            "glagent-%w{50,}",
            "gloas-%h{64}",
            "glsoat-%w{20,}",
            "GR1348941%w{20}",
        ],
    )
    .at(&["gitlab.com"]),
    p("bitbucket", "Bitbucket token", &["ATBB%b{24}%x{8}", "ATCTT3xFfG%w{20,}=%x{8}"])
        .at(&["api.bitbucket.org"]),
    p("atlassian", "Atlassian API token", &["ATATT3%w{20,}=%x{8}", "ATATT3%w{180,}"])
        .at(&["api.atlassian.com"]),
    p("npm", "npm token", &["npm_%b{36}"]).checked(Check::Crc32Base62),
    p("pypi", "PyPI token", &["pypi-AgEIcHlwaS5vcmc%w{50,}", "pypi-AgENdGVzdC5weXBpLm9yZw%w{50,}"]),
    p("rubygems", "RubyGems API key", &["rubygems_%h{48}"]),
    p("crates", "crates registry token", &["cio%b{32}"]),
    p("nuget", "NuGet API key", &["oy2%l{43}"]),
    p("clojars", "Clojars token", &["CLOJARS_%h{60}"]),
    p("dockerhub", "Docker Hub token", &["dckr_pat_%w{27}", "dckr_oat_%w{32}"]).at(&["hub.docker.com"]),
    p("artifactory", "Artifactory token", &["AKCp%b{69}", "cmVmdGtu%b{56}"]),
    p("sonarqube", "SonarQube token", &["sqp_%h{40}", "squ_%h{40}", "sqa_%h{40}"]),
    p("snyk", "Snyk token", &["snyk_uat.%h{8}.%w{20,}"])
        .or_named(&["snyk"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("buildkite", "Buildkite token", &["bkua_%l{40}", "bkpt_%l{40}"]),
    p("circleci", "CircleCI token", &["CCIPAT_%b{22}_%h{40}", "CCIPRJ_%b{22}_%h{40}"]),
    p("travis", "Travis CI token", &[]).or_named(&["travis"], &["%w{22}"]),
    p("sourcegraph", "Sourcegraph token", &["sgp_%h{16}_%h{40}", "sgp_local_%h{40}", "sgp_%h{40}"]),
    p("codecov", "Codecov token", &[]).or_named(&["codecov"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("gitea", "Gitea token", &[]).or_named(&["gitea", "forgejo"], &["%h{40}"]),
    p("terraform", "HCP Terraform token", &["%b{14}.atlasv1.%w{60,70}"]).at(&["app.terraform.io"]),
    p("pulumi", "Pulumi token", &["pul-%h{40}"]).at(&["api.pulumi.com"]),
    p("vault", "Vault token", &["hvs.%w{90,}", "hvb.%w{90,}", "hvr.%w{90,}", "hvs.%w{24,}"])
        .or_named(&["vault"], &["s.%b{24}"]),
    p(
        "doppler",
        "Doppler token",
        &["dp.pt.%b{40,44}", "dp.st.%w{2,35}.%b{40,44}", "dp.ct.%b{40,44}", "dp.sa.%b{40,44}"],
    ),
    p("infisical", "Infisical token", &["st.%h{24}.%h{32}.%h{32}"]),
    p("onepassword", "1Password token", &["ops_eyJ%q{200,}", "A3-%u{6}-%u{11}-%u{5}-%u{5}-%u{5}"]),
    p("age", "age secret key", &["AGE-SECRET-KEY-1%u{58}"]),
    p("harness", "Harness token", &["pat.%w{22}.%h{24}.%b{20}", "sat.%w{22}.%h{24}.%b{20}"]),
    p("octopus", "Octopus Deploy key", &["API-%u{26,32}"]),
    p("infracost", "Infracost key", &["ico-%b{32}"]),
    p("endor", "Endor Labs key", &["endr+%w{16}"]),
    p("scalingo", "Scalingo token", &["tk-us-%w{48}"]),
    p("openshift", "OpenShift token", &["sha256~%w{43}"]),
    p("defined", "Defined Networking key", &["dnkey-%w{26}-%w{52}"]),
    p("trigger", "Trigger.dev key", &["tr_prod_%b{20,24}", "tr_dev_%b{20,24}", "tr_stg_%b{20,24}"]),
    p("inngest", "Inngest key", &["signkey-prod-%h{64}", "signkey-test-%h{64}"]),
    p("deno", "Deno Deploy token", &["ddp_%b{36}", "ddw_%b{36}"]),
    h(
        "jetbrains",
        "JetBrains token",
        &["jetbrains", "youtrack", "teamcity"],
        &["perm%c{50,}", "perm-%q{4,}.%q{4,}.%q{20,}"],
    ),
    // Clouds.
    p("aws", "AWS access key id", &["AKIA%s{16}", "ASIA%s{16}", "ABIA%s{16}", "ACCA%s{16}"])
        .at(&["amazonaws.com"]),
    h(
        "aws-secret",
        "AWS secret access key",
        &["aws_secret", "secret_access_key", "aws_session_token"],
        &["%p{40}"],
    )
    .at(&["amazonaws.com"]),
    p("aws-bedrock", "Amazon Bedrock API key", &["ABSK%p{109,}", "bedrock-api-key-%w{20,}"]),
    p("google", "Google API key", &["AIza%w{35}"]).at(&["googleapis.com"]),
    p("google-oauth", "Google OAuth client secret", &["GOCSPX-%w{28}"]).at(&["oauth2.googleapis.com"]),
    p("google-access", "Google access token", &["ya29.%w{30,}", "1//0%w{40,}"]).at(&["googleapis.com"]),
    p("azure-ad", "Azure client secret", &["%c{3}%dQ~%c{31,34}"]).at(&["login.microsoftonline.com"]),
    p("azure-storage", "Azure storage key", &["AccountKey=%p{86}==", "SharedAccessKey=%p{43}="])
        .or_named(&["azure_storage", "account_key", "storage_key"], &["%p{86}=="]),
    p("azure-devops", "Azure DevOps token", &["%b{76}AZDO%b{4}"])
        .or_named(&["azure_devops", "azdo", "ado_pat"], &["%s{52}", "%l{52}"]),
    h("azure-openai", "Azure OpenAI key", &["azure_openai", "azure_cognitive"], &["%h{32}", "%b{84}"]),
    p(
        "azure-key",
        "Azure service key",
        &[
            "%w{44}AzFu%w{6}==",
            "%b{42}AzSe%b{6}",
            "%b{33}AzCa%b{6}=",
            "%b{76}ACDb%p{6}==",
            "%p{76}+ABa%p{6}==",
            "%p{76}+ASt%p{6}==",
            "%p{76}APIM%p{6}==",
            "%p{33}+ASb%p{6}=",
            "%p{33}+AEh%p{6}=",
            "%p{33}+ARm%p{6}=",
            "%p{33}AIoT%p{6}=",
            "%p{42}+ACR%b{6}",
        ],
    )
    .at(&["azure.com"]),
    p("digitalocean", "DigitalOcean token", &["dop_v1_%h{64}", "doo_v1_%h{64}", "dor_v1_%h{64}"])
        .at(&["api.digitalocean.com"]),
    p("heroku", "Heroku API key", &["HRKU-%w{36,}"])
        .or_named(&["heroku"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"])
        .at(&["api.heroku.com"]),
    p("fly", "Fly.io token", &["fo1_%w{43}", "fm1r_%p{90,}", "fm2_%p{90,}"]).at(&["api.fly.io"]),
    p("cloudflare", "Cloudflare token", &["v1.0-%h{24}-%h{146}"])
        .or_named(&["cloudflare", "cf_api"], &["%w{40}", "%h{37}"])
        .at(&["api.cloudflare.com"]),
    p("vercel", "Vercel token", &["vcp_%b{24,}", "vck_%b{24,}", "vercel_blob_rw_%b{16}_%b{30}"])
        .or_named(&["vercel"], &["%b{24}"])
        .at(&["api.vercel.com"]),
    p("netlify", "Netlify token", &["nfp_%w{36,}"])
        .or_named(&["netlify"], &["%w{43}"])
        .at(&["api.netlify.com"]),
    p("render", "Render API key", &["rnd_%b{28}"]).at(&["api.render.com"]),
    p("scaleway", "Scaleway key", &["SCW%u{17}"])
        .or_named(&["scw_", "scaleway"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("volcengine", "Volcano Engine access key", &["AKLT%b{43,44}"]),
    p("hetzner", "Hetzner token", &[])
        .or_named(&["hetzner", "hcloud"], &["%b{64}"])
        .at(&["api.hetzner.cloud"]),
    p("alibaba", "Alibaba Cloud access key", &["LTAI%b{16,20}"]).at(&["aliyuncs.com"]),
    p("tencent", "Tencent Cloud secret id", &["AKID%b{32}"]).at(&["tencentcloudapi.com"]),
    p("ibm", "IBM Cloud API key", &[]).or_named(&["ibm", "bluemix", "watson"], &["%w{44}"]),
    p("oracle", "Oracle Cloud key id", &[]).or_named(&["oci_auth_token"], &["%c{20}"]),
    p("yandex", "Yandex Cloud key", &["AQVN%w{35,}", "t1.%w{20,}.%w{86}", "YC%w{38}"]),
    p("linode", "Linode token", &[]).or_named(&["linode"], &["%h{64}"]),
    p("vultr", "Vultr API key", &[]).or_named(&["vultr"], &["%u{36}"]),
    p("databricks", "Databricks token", &["dapi%h{32}", "dapi%h{32}-%d", "dose%h{32}"]),
    p("modal", "Modal token", &["ak-%b{22}", "as-%b{22}"]),
    p("supabase", "Supabase key", &["sbp_%h{40}", "sb_secret_%w{22}_%w{8}", "sb_secret_%w{31}"]),
    p(
        "planetscale",
        "PlanetScale token",
        &["pscale_tkn_%c{32,64}", "pscale_pw_%c{32,64}", "pscale_oauth_%c{32,64}"],
    ),
    p("neon", "Neon API key", &["napi_%l{64}"]),
    p("convex", "Convex deploy key", &["prod:%l{3,40}-%l{3,40}-%d{1,4}|%p{30,}"]),
    p("prisma", "Prisma key", &["prisma+postgres://accelerate.prisma-data.net/?api_key=%c{40,}"]),
    p("turso", "Turso token", &[]).or_named(&["turso"], &["eyJ%w{10,}.%w{10,}.%w{10,}"]),
    p("upstash", "Upstash token", &[]).or_named(&["upstash"], &["%p{50,}=", "%b{50,}"]),
    p("mongodb-atlas", "MongoDB Atlas key", &["mdb_sa_sk_%w{40}"])
        .or_named(&["atlas"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("confluent", "Confluent secret", &["cflt%q{60}"]).or_named(&["confluent"], &["%p{64}"]),
    p("aiven", "Aiven token", &["aivenv1%w{80,}", "AVNS_%w{19}"]),
    p("tailscale", "Tailscale key", &["tskey-%l{2,12}-%b{11,20}-%b{20,40}", "tskey-%b{20,}"])
        .at(&["api.tailscale.com"]),
    p("ngrok", "ngrok token", &[]).or_named(&["ngrok"], &["%b{20,30}_%b{18,24}"]),
    p("clickhouse", "ClickHouse Cloud key", &["4b1d%b{38}"]),
    p("tinybird", "Tinybird token", &["p.eyJ%w{10,}.%w{20,}"]),
    p("cockroach", "CockroachDB Cloud key", &["CCDB1_%b{22}_%b{40}"]),
    p("xata", "Xata key", &["xau_%b{36,}"]),
    p("exoscale", "Exoscale key", &["EXO%h{24}"]),
    p("porkbun", "Porkbun secret", &["sk1_%h{64}"]),
    p("dnsimple", "DNSimple token", &["dnsimple_a_%b{24,}", "dnsimple_u_%b{24,}", "dnsimple_o_%b{24,}"]),
    p("akamai", "Akamai token", &["akab-%l{16}-%l{16}"]),
    p("backblaze", "Backblaze key", &["K00%d%p{27}"]),
    p("upcloud", "UpCloud token", &["ucat_%b{26}"]),
    // Messages.
    p(
        "slack",
        "Slack token",
        &[
            "xoxb-%d{9,14}-%d{9,14}-%b{24}",
            "xoxp-%d{9,14}-%d{9,14}-%d{9,14}-%h{32}",
            "xoxe-%d-%w{140,}",
            "xoxe.xox%a-%d-%w{140,}",
            "xoxa-%d{1,14}-%w{20,}",
            "xoxr-%d{1,14}-%w{20,}",
            "xoxs-%d{9,14}-%w{20,}",
            "xoxb-%d{9,14}-%b{20,}",
            "xoxc-%d{9,14}-%d{9,14}-%d{9,14}-%h{64}",
            "xoxd-%c{60,}",
            "xapp-%d-%u{8,12}-%d{10,14}-%h{64}",
        ],
    )
    .at(&["slack.com"]),
    p(
        "slack-webhook",
        "Slack webhook",
        &[
            "hooks.slack.com/services/T%u{8,12}/B%u{8,12}/%b{24}",
            "hooks.slack.com/workflows/T%u{8,12}/A%u{8,12}/%d{17,19}/%b{24}",
        ],
    )
    .at(&["hooks.slack.com"]),
    p(
        "discord-webhook",
        "Discord webhook",
        &["discord.com/api/webhooks/%d{17,20}/%w{60,70}", "discordapp.com/api/webhooks/%d{17,20}/%w{60,70}"],
    )
    .at(&["discord.com"]),
    p(
        "discord",
        "Discord bot token",
        &["M%b{23,27}.%w{6}.%w{27,40}", "N%b{23,27}.%w{6}.%w{27,40}", "O%b{23,27}.%w{6}.%w{27,40}"],
    )
    .checked(Check::Discord)
    .at(&["discord.com"]),
    p("telegram", "Telegram bot token", &["%d{8,10}:AA%w{33}"]).at(&["api.telegram.org"]),
    p(
        "teams-webhook",
        "Teams webhook",
        &[
            "webhook.office.com/webhookb2/%h{8}-%h{4}-%h{4}-%h{4}-%h{12}@%h{8}-%h{4}-%h{4}-%h{4}-%h{12}/IncomingWebhook/%h{32}",
        ],
    ),
    p("twilio", "Twilio API key", &["SK%h{32}"]).or_named(&["twilio"], &["%h{32}"]).at(&["api.twilio.com"]),
    p("sendgrid", "SendGrid API key", &["SG.%w{22}.%w{43}"]).at(&["api.sendgrid.com"]),
    p("mailgun", "Mailgun API key", &["key-%h{32}"])
        .or_named(&["mailgun"], &["%h{32}-%h{8}-%h{8}"])
        .at(&["api.mailgun.net"]),
    p("mailchimp", "Mailchimp API key", &["%h{32}-us%d{1,2}"]).at(&["api.mailchimp.com"]),
    p("mandrill", "Mandrill API key", &["md-%w{22}"]).at(&["mandrillapp.com"]),
    p("brevo", "Brevo API key", &["xkeysib-%h{64}-%b{16}", "xsmtpsib-%h{64}-%b{16}"]).at(&["api.brevo.com"]),
    p("resend", "Resend API key", &["re_%b{8}_%b{24}"]).at(&["api.resend.com"]),
    p("postmark", "Postmark token", &[]).or_named(&["postmark"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("messagebird", "MessageBird key", &[]).or_named(&["messagebird"], &["%b{25}"]),
    p("line", "LINE channel token", &[]).or_named(&["line_channel"], &["%p{150,}=", "%h{32}"]),
    p("intercom", "Intercom token", &["dG9rO%q{54,}=", "dG9rO%q{54,}"]),
    p("zoom", "Zoom secret", &[]).or_named(&["zoom"], &["%b{32}"]),
    p("onesignal", "OneSignal key", &["os_v2_app_%l{80,}", "os_v2_org_%l{80,}"]),
    p("pushover", "Pushover token", &[]).or_named(&["pushover"], &["%l{30}"]),
    p("telnyx", "Telnyx key", &["KEY%x{32}_%b{22}"]).at(&["api.telnyx.com"]),
    p("mailersend", "MailerSend token", &["mlsn.%h{64}"]),
    p(
        "webhook",
        "webhook",
        &[
            "hooks.zapier.com/hooks/catch/%d{5,}/%l{6,}",
            "maker.ifttt.com/trigger/%w{1,}/with/key/%w{20,}",
            "chat.googleapis.com/v1/spaces/%w{8,}/messages?key=%w{39}&token=%w{20,}",
        ],
    ),
    // Money.
    p(
        "stripe",
        "Stripe secret key",
        &["sk_live_%b{16,}", "rk_live_%b{16,}", "sk_test_%b{16,}", "rk_test_%b{16,}", "whsec_%q{32,}"],
    )
    .at(&["api.stripe.com"]),
    p("square", "Square token", &["sq0atp-%w{22}", "sq0csp-%w{43}", "EAAA%w{60}"])
        .at(&["connect.squareup.com"]),
    p(
        "paypal",
        "PayPal token",
        &["access_token$production$%l{16}$%h{32}", "access_token$sandbox$%l{16}$%h{32}"],
    )
    .or_named(&["paypal"], &["%w{80}"])
    .at(&["api-m.paypal.com"]),
    p("braintree", "Braintree key", &[]).or_named(&["braintree"], &["%h{32}"]),
    h("adyen", "Adyen API key", &["adyen"], &["AQE%q{60,}", "AQE%c{60,}=-%c{10,}"]),
    p("razorpay", "Razorpay key", &["rzp_live_%b{14}"]).or_named(&["razorpay"], &["%b{24}"]),
    p(
        "plaid",
        "Plaid secret",
        &[
            "access-production-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}",
            "access-development-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}",
            "access-sandbox-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}",
        ],
    )
    .or_named(&["plaid"], &["%h{30}"]),
    p("flutterwave", "Flutterwave key", &["FLWSECK-%h{32}-X", "FLWSECK_TEST-%h{32}-X"]),
    p("paystack", "Paystack key", &[]).or_named(&["paystack"], &["sk_live_%h{40}", "sk_test_%h{40}"]),
    p("shopify", "Shopify token", &["shpat_%x{32}", "shpca_%x{32}", "shppa_%x{32}", "shpss_%x{32}"]),
    p("lemonsqueezy", "Lemon Squeezy key", &[])
        .or_named(&["lemonsqueezy", "lemon_squeezy"], &["eyJ%w{10,}.%w{10,}.%w{10,}"]),
    p("coinbase", "Coinbase key", &[]).or_named(&["coinbase"], &["%w{64}", "%p{86}=="]),
    p("binance", "Binance key", &[]).or_named(&["binance"], &["%b{64}"]),
    p("alpaca", "Alpaca key", &[]).or_named(&["alpaca", "apca"], &["%b{40}"]),
    p("etherscan", "Etherscan key", &[]).or_named(&["etherscan"], &["%u{34}"]),
    p("brex", "Brex token", &["bxt_%b{36,}"]),
    p(
        "paddle",
        "Paddle key",
        &["pdl_live_apikey_%l{26}_%b{22}_%b{3}", "pdl_sdbx_apikey_%l{26}_%b{22}_%b{3}"],
    ),
    p("polar", "Polar token", &["polar_oat_%b{43}", "polar_pat_%b{43}"]),
    p("mercury", "Mercury token", &["secret-token:mercury_production_%w{20,}"]),
    p("lob", "Lob key", &["live_%h{35}", "test_%h{35}"]),
    h("mollie", "Mollie key", &["mollie"], &["live_%b{30,}", "test_%b{30,}"]),
    h("gocardless", "GoCardless token", &["gocardless"], &["live_%w{40}", "sandbox_%w{40}"]),
    p("cal", "Cal.com key", &["cal_live_%h{32}", "cal_%h{32}"]),
    p("dub", "Dub key", &["dub_%b{24}"]),
    // Watching and analytics.
    p("datadog", "Datadog key", &["ddapp_%b{34}"])
        .or_named(&["datadog", "dd_api", "dd_app"], &["%h{32}", "%h{40}"])
        .at(&["api.datadoghq.com"]),
    p(
        "newrelic",
        "New Relic key",
        &["NRAK-%u{27}", "NRII-%w{32}", "NRSP-%w{20,}", "NRJS-%h{19}", "NRAA-%h{27}", "%h{36}NRAL"],
    )
    .at(&["api.newrelic.com"]),
    p("grafana", "Grafana token", &["glsa_%b{32}_%h{8}"]).checked(Check::GrafanaCrc32),
    p("grafana-cloud", "Grafana Cloud token", &["glc_eyJ%q{30,}=", "glc_eyJ%q{30,}"]),
    p(
        "sentry",
        "Sentry token",
        &["sntrys_eyJ%q{20,}=_%q{43}", "sntrys_eyJ%q{60,}", "sntryu_%h{64}", "sntrya_%h{64}"],
    )
    .at(&["sentry.io"]),
    p("honeycomb", "Honeycomb key", &["hcaik_%l{58}", "hcbik_%l{58}"])
        .or_named(&["honeycomb"], &["%b{22}", "%h{32}"]),
    p("dynatrace", "Dynatrace token", &["dt0c01.%u{24}.%u{64}", "dt0s01.%u{8}.%u{64}"]),
    p("rollbar", "Rollbar token", &[]).or_named(&["rollbar"], &["%h{32}"]),
    p("posthog", "PostHog key", &["phx_%w{40,}"]),
    p("amplitude", "Amplitude key", &[]).or_named(&["amplitude"], &["%h{32}"]),
    p("mixpanel", "Mixpanel secret", &[]).or_named(&["mixpanel"], &["%h{32}"]),
    p("segment", "Segment token", &["sgp_%b{64}"]).or_named(&["segment"], &["%b{32}"]),
    p("elastic", "Elastic API key", &[]).or_named(&["elastic"], &["%q{58}==", "%q{60}"]),
    p("algolia", "Algolia key", &[]).or_named(&["algolia"], &["%h{32}"]),
    p("pagerduty", "PagerDuty key", &[])
        .or_named(&["pagerduty", "pager_duty"], &["u+%w{18}", "%w{20}", "%h{32}"]),
    p("opsgenie", "Opsgenie key", &[]).or_named(&["opsgenie"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("launchdarkly", "LaunchDarkly key", &["sdk-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"])
        .or_named(&["launchdarkly", "launch_darkly"], &["api-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("statsig", "Statsig key", &["secret-%b{43}"]),
    p(
        "axiom",
        "Axiom token",
        &["xaat-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}", "xapt-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"],
    ),
    p("grafana-key", "Grafana API key", &["eyJrIjoi%p{60,}"]),
    p("checkly", "Checkly key", &["cu_%h{32}"]),
    // Work and content.
    p("notion", "Notion token", &["ntn_%b{46}", "secret_%b{43}"]).at(&["api.notion.com"]),
    p("linear", "Linear key", &["lin_api_%b{40}", "lin_oauth_%h{64}"]).at(&["api.linear.app"]),
    p("airtable", "Airtable token", &["pat%b{14}.%h{64}"])
        .or_named(&["airtable"], &["key%b{14}"])
        .at(&["api.airtable.com"]),
    p("asana", "Asana token", &["2/%d{15,17}/%d{15,17}:%h{32}", "1/%d{15,17}:%h{32}"]).at(&["app.asana.com"]),
    p("clickup", "ClickUp token", &["pk_%d{6,9}_%u{32}"]).at(&["api.clickup.com"]),
    p("monday", "monday token", &[]).or_named(&["monday"], &["eyJ%w{10,}.%w{10,}.%w{10,}"]),
    p("trello", "Trello token", &["ATTA%x{64}%x{8}"]).or_named(&["trello"], &["%h{32}", "%h{64}"]),
    p("figma", "Figma token", &["figd_%w{40}", "figo_%w{40}", "figu_%w{40}", "figor_%w{40}", "figoh_%w{40}"])
        .at(&["api.figma.com"]),
    p("dropbox", "Dropbox token", &["sl.u.%w{130,}", "sl.%w{130,}"]).or_named(&["dropbox"], &["%l{15}"]),
    p("contentful", "Contentful token", &["CFPAT-%w{43}"]).at(&["api.contentful.com"]),
    p("postman", "Postman key", &["PMAK-%h{24}-%h{34}"]).at(&["api.getpostman.com"]),
    p("readme", "ReadMe key", &["rdme_%l{70}"]),
    p("typeform", "Typeform token", &["tfp_%w{40,60}"]),
    p(
        "hubspot",
        "HubSpot token",
        &["pat-na1-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}", "pat-eu1-%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"],
    )
    .or_named(&["hubspot"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"])
    .at(&["api.hubapi.com"]),
    p("salesforce", "Salesforce token", &["00D%b{12,15}!%c{80,}"]),
    p("zendesk", "Zendesk token", &[]).or_named(&["zendesk"], &["%b{40}"]),
    p("freshdesk", "Freshdesk key", &[]).or_named(&["freshdesk"], &["%b{20}"]),
    p("okta", "Okta token", &["SSWS 00%w{40}"]).or_named(&["okta"], &["00%w{40}"]),
    p("auth0", "Auth0 secret", &[]).or_named(&["auth0"], &["%w{64}"]),
    p("clerk", "Clerk secret", &[]).or_named(&["clerk"], &["sk_live_%b{40,}", "sk_test_%b{40,}"]),
    p("workos", "WorkOS key", &["sk_live_a2V5X%b{20,}", "sk_test_a2V5X%b{20,}"]),
    p("duffel", "Duffel token", &["duffel_live_%w{43}", "duffel_test_%w{43}"]),
    p("easypost", "EasyPost key", &["EZAK%b{54}", "EZTK%b{54}"]),
    p("shippo", "Shippo token", &["shippo_live_%h{40}", "shippo_test_%h{40}"]),
    p("mapbox", "Mapbox token", &["sk.eyJ%w{60,}.%w{22}"]).at(&["api.mapbox.com"]),
    p("openweather", "OpenWeather key", &[]).or_named(&["openweather", "owm_api"], &["%h{32}"]),
    p("facebook", "Facebook token", &["EAACEdEose0cBA%b{20,}"])
        .or_named(&["facebook", "fb_", "meta_", "whatsapp"], &["EAA%b{80,}", "%h{32}"]),
    p("twitter", "X bearer token", &["AAAAAAAAAAAAAAAAAAAAA%c{40,}"])
        .or_named(&["twitter"], &["%b{25}", "%b{45}", "%b{50}"]),
    p("twitch", "Twitch token", &["oauth:%l{30}"]).or_named(&["twitch"], &["%l{30}"]),
    p("linkedin", "LinkedIn secret", &[]).or_named(&["linkedin"], &["%b{16}", "WPL_AP1.%b{16}.%b{6}=="]),
    p("spotify", "Spotify secret", &[]).or_named(&["spotify"], &["%h{32}"]),
    p("youtube", "YouTube key", &[]).or_named(&["youtube"], &["AIza%w{35}"]),
    p("serpapi", "SerpApi key", &[]).or_named(&["serpapi", "serp_api"], &["%h{64}"]),
    p("rapidapi", "RapidAPI key", &["%h{10}msh%h{15}p1%h{6}jsn%h{12}"]),
    p("exa", "Exa key", &[]).or_named(&["exa_api"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("firecrawl", "Firecrawl key", &["fc-%h{32}"]),
    p("browserbase", "Browserbase key", &["bb_live_%w{27}"]),
    p("maxmind", "MaxMind key", &["%b{6}_%b{29}_mmk"]),
    p("adafruit", "Adafruit key", &["aio_%b{28}"]),
    p("frameio", "Frame.io token", &["fio-u-%w{64}"]),
    p("settlemint", "SettleMint token", &["sm_pat_%b{16}", "sm_aat_%b{16}", "sm_sat_%b{16}"]),
    p("intra42", "42 secret", &["s-s4t2ud-%h{64}", "s-s4t2af-%h{64}"]),
    p("apify", "Apify token", &["apify_api_%b{36}"]).at(&["api.apify.com"]),
    p("wakatime", "WakaTime key", &["waka_%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("unkey", "Unkey key", &["unkey_%b{20,24}"]),
    p("svix", "Svix token", &["testsk_%w{32}.%l{2}", "sk_%w{32}.eu", "sk_%w{32}.us"]).at(&["api.svix.com"]),
    p("stytch", "Stytch secret", &["secret-live-%w{35}=", "secret-test-%w{35}="]).at(&["api.stytch.com"]),
    p("liveblocks", "Liveblocks secret key", &["sk_prod_%w{40,}", "sk_dev_%w{40,}"])
        .at(&["api.liveblocks.io"]),
    p("zoho", "Zoho token", &["1000.%h{32}.%h{32}"]).at(&["accounts.zoho.com"]),
    p("nylas", "Nylas API key", &["nyk_v0_%b{60,68}"]).at(&["api.us.nylas.com"]),
    p(
        "ory",
        "Ory token",
        &["ory_at_%w{40,}", "ory_rt_%w{40,}", "ory_st_%b{32}", "ory_pat_%b{32}", "ory_apikey_%w{20,}"],
    ),
    p("netbird", "NetBird token", &["nbp_%b{36}"]),
    p("hcaptcha", "hCaptcha secret", &["ES_%h{32}"]),
    p("amazon-login", "Amazon client secret", &["amzn1.oa2-cs.v1.%h{64}"]),
    p("amazon-mws", "Amazon marketplace token", &["amzn.mws.%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("deepl", "DeepL key", &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}:fx"]).at(&["api-free.deepl.com"]),
    p("woocommerce", "WooCommerce key", &["ck_%h{40}", "cs_%h{40}"]),
    p("xendit", "Xendit key", &["xnd_production_%b{48,60}", "xnd_development_%b{48,60}"])
        .at(&["api.xendit.co"]),
    h("ghost", "Ghost admin key", &["ghost"], &["%h{24}:%h{64}"]),
    h("kaggle", "Kaggle key", &["kaggle"], &["%h{32}"]),
    h(
        "log-service",
        "log service token",
        &["splunk", "loggly", "logentries", "sematext", "logzio", "logdna"],
        &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}", "%h{32}", "%b{32}"],
    ),
    h(
        "market-data",
        "market data key",
        &["coinapi", "coinmarketcap", "cmc_pro"],
        &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"],
    ),
    h("sauce", "Sauce Labs key", &["sauce"], &["%h{8}-%h{4}-%h{4}-%h{4}-%h{12}"]),
    p("jwt", "JSON web token", &["eyJ%w{15,}.eyJ%w{15,}.%w{20,}"]).checked(Check::Jwt),
    p("adobe", "Adobe secret", &["p8e-%w{32}"]),
    p("cloudinary", "Cloudinary URL", &["cloudinary://%d{15}:%w{27}@%l{2,}"]),
    p("ethereum", "Ethereum private key", &[])
        .or_named(&["private_key", "eth_key", "wallet_key"], &["0x%x{64}", "%h{64}"]),
];
