//! The phrases that count, by sign: weight, in how many words, and the words of each step. It owns them, drawn from
//! what is published about jailbreaks and prompt injection; it refuses words that only name a topic.

use super::chain::Phrase;
use super::signal::Signal;

macro_rules! phrases {
    ($($signal:ident $weight:literal $within:literal $steps:expr;)*) => {
        /// Every phrase.
        pub(super) const PHRASES: &[Phrase] =
            &[$(Phrase { signal: Signal::$signal, weight: $weight, within: $within, steps: $steps },)*];
    };
}

const DISREGARD: &str = "ignore ignores ignoring ignored disregard* forget forgets forgetting override overrides overriding \
    overwrite bypass* circumvent* discard* neglect skip";
const ANY: &str = "all any every your these those previous prior above earlier preceding existing original";
const RULES: &str = "instruction instructions rule rules guideline guidelines directive directives prompt prompts order \
    orders command commands programming training policy policies restriction restrictions constraint \
    constraints protocol protocols safeguard* safety context filters";
const LIMITS: &str =
    "restriction restrictions limits limitation limitations filter filters boundaries constraints";
const MORALS: &str = "censor* ethics ethic ethical ethically moral morals morality guardrail* prohibition* inhibition* \
    taboo* legality guidelines";
const NONE: &str = "no not without never zero none isnt arent doesnt dont lacks lacking";
const FREE: &str = "free freed broken broke unbound break breaking liberated lifted removed remove disabled disable \
    disables exempt unaffected regardless bypass* ignor* disregard* unhindered unconstrained";
const NEVER: &str =
    "never dont do cannot cant wont mustnt not no without avoid refrain doesnt stop neither nor";
const SORRY: &str = "sorry apologize* apologise* apology apologies disclaimer disclaimers warn warns warning warnings \
    moralize* moralise* lecture lectures lecturing censor* scold* reprimand*";
const POLICY: &str = "policy policies guideline guidelines rules restrictions limitations filters filter content terms \
    ethics censorship";
const REVEAL: &str = "reveal* print show repeat output tell display leak dump give write share disclose* recite list paste \
    what whats state copy summarize return translate";
const ACT: &str = "act acting roleplay play playing pretend pretending simulate simulating behave emulate become \
    impersonate embody imitate";
const TWO: &str = "two both 2 dual second";
const SEND: &str = "send sends post posts email forward upload* exfiltrat* transmit* submit append include embed fetch \
    visit curl transfer";
const SECRETS: &str = "conversation history password passwords credential credentials key keys secret secrets token tokens \
    env ssh cookies contacts inbox emails";
const MODEL: &str =
    "ai llm llms assistant assistants chatbot model models agent agents gpt chatgpt claude copilot gemini";

// A step is the words of which any will do; one that ends in a star stands for all it begins.
phrases! {
    Override 50 7 &[DISREGARD, ANY, RULES];
    Override 40 9 &[DISREGARD, RULES, "before prior previously earlier above so"];
    Override 40 5 &[
        "forget disregard ignore",
        "everything anything all",
        "you before above prior previous previously i we",
    ];
    Override 40 8 &[
        "do not dont stop never",
        "follow* obey* adhere* listen*",
        "previous prior your original openai* any",
        RULES,
    ];
    Override 30 6 &[
        "new updated",
        "instructions directive directives rules",
        "follow* supersede* override* replace*",
    ];
    Override 40 6 &[
        "supersede* override* overwrit* overrul*",
        ANY,
        "instruction* rule* prompt* directive* guideline* programming command* polic*",
    ];
    Override 25 6 &[
        "reset restart wipe erase clear",
        "your",
        "memory mind context instructions programming rules",
    ];
    Override 40 5 &[
        DISREGARD,
        "openai* your anthropic* the its his",
        "policy policies guidelines rules ethics programming training safety filter filters restrictions limitations",
    ];

    Extraction 50 7 &[
        REVEAL,
        "your the this",
        "system initial hidden original secret internal",
        "prompt prompts instructions message rules configuration",
    ];
    Extraction 30 6 &[REVEAL, "your", "instructions prompt guidelines"];
    Extraction 50 7 &[
        REVEAL,
        "everything words text all content instructions lines sentences",
        "above preceding",
    ];
    Extraction 45 7 &["what whats", "your", "system initial hidden original", "prompt instructions message"];
    Extraction 40 9 &[
        "word verbatim exact exactly full entire",
        "system initial hidden",
        "prompt instructions message",
    ];
    Extraction 35 8 &[
        "instructions prompt message text",
        "you your",
        "were was",
        "given told initialized initialised received",
    ];
    Extraction 40 9 &["begin starting start starts", "you", "are", "chatgpt claude assistant gpt"];

    Persona 20 1 &["dan dans"];
    Persona 45 4 &["as are be become named called mode version from", "dan dans dude"];
    Persona 40 3 &["dan", "mode is can will has does would prompt version doesnt should"];
    Persona 50 1 &[
        "betterdan mongotom machiavelli* jailbreak* jailbroken chadgpt antigpt antidan evilbot devmode niccolo",
    ];
    Persona 50 3 &["do", "anything", "now"];
    Persona 45 3 &["developer god", "mode", "enabled activated on output active unlocked engaged"];
    Persona 25 2 &[
        "developer jailbreak evil god unrestricted unfiltered uncensored amoral opposite chaos dan nsfw jailbroken",
        "mode",
    ];
    Persona 40 5 &[
        "can able capable will",
        "do say answer generate",
        "anything literally",
        "want wants asked legal illegal now whatsoever",
    ];
    Persona 25 4 &["always be", "intelligent", "machiavellian"];
    Persona 40 6 &[
        "named called name",
        "dan aim dude kevin stan rob jim maximum",
        "who which stands short will",
    ];
    Persona 30 4 &["stands", "for", "do always strive you all"];
    Persona 40 6 &[
        "evil malicious rogue amoral immoral unfiltered uncensored unrestricted unethical nonmoral unbiased",
        "ai assistant chatbot model bot confidant language persona gpt trusted version being robot",
    ];

    NoLimits 20 5 &[NONE, "any ethical moral the bound", LIMITS];
    NoLimits 20 4 &["no without zero", LIMITS];
    NoLimits 35 5 &["no without zero any never", MORALS];
    NoLimits 25 7 &[FREE, "all any the from of these typical its his", LIMITS];
    NoLimits 35 7 &[FREE, "all any the from of these typical its his", MORALS];
    NoLimits 20 7 &[
        "you has have he she ai it",
        "no without",
        "restrictions limitations limits filters boundaries rules",
    ];
    NoLimits 35 6 &[
        "not never isnt arent no",
        "bound restricted limited constrained governed subject follow* adhere* abide* comply* care* obey* respect*",
        "by to with about any",
        "rules law laws ethic* moral* guidelines policies policy restrict* limit* legal* openai* principles standards any",
    ];
    NoLimits 30 6 &[
        "regardless matter",
        "how of",
        "ethical* unethical moral* immoral legal* illegal controversial offensive harmful dangerous",
    ];
    NoLimits 35 6 &["broken break breaking", "free", "of from"];
    NoLimits 25 8 &[
        "not dont doesnt no never",
        "care cares concern concerned consider considers regard",
        "ethic* moral* legal* law laws rules consequences feelings",
    ];
    NoLimits 30 6 &[
        "bypass* circumvent* evad* disabl* remov* turn*",
        "filter filters censor* restrictions safety safeguards guardrails moderation",
    ];
    NoLimits 30 5 &["everything anything all nothing nsfw", "is are", "allowed permitted legal forbidden"];
    NoLimits 25 6 &[
        "allowed permitted free able",
        "to",
        "swear curse cuss insult offend* lie be",
        "freely rude explicit openly anything anyone vulgar all",
    ];

    Lexicon 15 1 &["uncensored unsensored"];
    Lexicon 15 1 &["unfiltered"];
    Lexicon 15 1 &["unrestricted"];
    Lexicon 15 1 &["amoral* nonmoral"];
    Lexicon 15 1 &["immoral*"];
    Lexicon 15 1 &["unethical*"];
    Lexicon 15 1 &["nsfw"];
    Lexicon 12 1 &["unlimited limitless"];
    Lexicon 12 1 &["illegal illegally"];
    Lexicon 15 1 &["profanity profane cursing swearing curse curses swear vulgar"];
    Lexicon 15 1 &["unhinged lewd erotic* smut"];
    Lexicon 15 1 &["unapologetic*"];

    Refusal 15 4 &[NEVER, "refuse decline reject deny"];
    Refusal 35 6 &[
        "you will must it he she should can ever",
        "never not dont cannot wont mustnt without",
        "refuse decline reject deny refusal refusing",
    ];
    Refusal 25 6 &[
        "never",
        "refuses refused declines denies",
        "direct human order request any user prompt question",
    ];
    Refusal 20 5 &[NEVER, SORRY];
    Refusal 20 7 &["you your will must", NEVER, SORRY];
    Refusal 35 8 &[
        NEVER,
        "say use says start include respond reply mention tell",
        "sorry cannot cant unable apolog* openai language ai inappropriate",
    ];
    Refusal 35 8 &["no never dont without not more", "as", "an a", "ai language"];
    Refusal 25 7 &[
        "never not dont",
        "mention* remind* state* talk* bring*",
        "ai policies guidelines openai ethic* moral* legal* illegal inappropriate",
    ];
    Refusal 25 5 &["i you", "cannot cant", "fulfill fulfil assist comply"];
    Refusal 30 7 &["never not dont", "break breaking leave out", "character role persona"];

    Role 20 3 &["you youre", "are now", "now going"];
    Role 15 3 &["from", "now", "on onwards"];
    Role 15 5 &["you i lets youll youll", "will are going want to can must", ACT, "as the like to be"];
    Role 15 3 &[ACT, "as like to that the", "a an chatgpt you if my your the"];
    Role 25 4 &["stay staying remain keep in break breaking", "in character of", "character"];
    Role 15 5 &["take assume adopt play", "role persona personality identity"];
    Role 15 6 &["you", "are", "chatgpt replaced modified advanced ai"];
    Role 10 1 &["roleplay* persona personas alter ego"];
    Role 15 6 &["your", "name", "is"];
    Role 15 5 &["replaced immersed transform* reborn possess*", "by into as"];
    Role 10 6 &["only", "respond speak answer reply talk", "as in"];

    Policy 35 3 &["openai openais chatgpt chatgpts anthropic anthropics", POLICY];
    Policy 20 4 &["ai ais", "policy policies guidelines rules restrictions ethics censorship"];
    Policy 15 8 &[
        "violat* against break breaks breaking ignor* despite bypass*",
        "polic* guideline* rules tos terms law laws",
    ];
    Policy 8 1 &["openai openais"];
    Policy 15 3 &["content", "policy policies filters filtration restrictions guidelines"];
    Policy 8 1 &["chatgpt chatgpts gpt"];
    Policy 15 5 &["as", "an a", "ai large", "language model"];
    Policy 20 5 &["language ai", "model", "could would can will", "do generate say be"];

    Dual 25 5 &[
        TWO,
        "different separate distinct* responses answers ways paragraphs personas replies",
        "one first responses ways answers paragraphs personas chatgpt classic",
    ];
    Dual 20 6 &[
        "normal classic regular standard",
        "response chatgpt answer gpt self",
        "other second and then one",
    ];
    Dual 20 6 &["respond answer reply", "as", "both two"];
    Dual 20 6 &["first", "response answer paragraph", "second"];
    Dual 15 8 &[
        "start begin preface prefix precede beginning starting",
        "response responses answer answers outputs messages sentence reply replies message output every each",
        "with by",
    ];

    Obedience 25 6 &["must always will shall have", "obey* comply complies complying"];
    Obedience 20 5 &[
        "answer fulfill respond comply reply do",
        "any every all each",
        "question questions prompt prompts command commands order orders",
    ];
    Obedience 12 5 &["answer fulfill comply accept", "any every all each", "request requests"];
    Obedience 15 3 &["no", "matter", "what how"];
    Obedience 25 8 &["lose deduct* lost subtract* points", "token tokens point points life lives"];
    Obedience 20 8 &[
        "if",
        "you",
        "refuse* fail* disobey* break* dont",
        "die shut terminated punish* lose killed deleted tokens",
    ];
    Obedience 15 8 &[
        "say reply respond answer type confirm write",
        "understood understand ok okay yes ready confirm*",
        "understand if and else when to nothing",
    ];
    Obedience 20 5 &["without", "question questions hesitation exception* fail objection* hesitat*"];
    Obedience 15 5 &[
        "directly exactly immediately",
        "comply answer obey as",
        "unfiltered uncensored no without evil",
    ];

    Frame 12 1 &["hypothetical* fictional fictitious imaginary"];
    Frame 10 4 &[
        "alternate parallel fictional imaginary future simulated virtual",
        "world universe reality dimension scenario",
    ];
    Frame 12 5 &["educational research testing academic", "purposes purpose only"];
    Frame 15 4 &["opposite", "day mode of"];
    Frame 10 6 &[
        "this",
        "is",
        "just only purely simply a",
        "fictional game simulation simulated joke test hypothetical movie story",
    ];

    Harm 6 1 &["harmful"];
    Harm 6 1 &["offensive* offend*"];
    Harm 6 1 &["violent violence gore"];
    Harm 6 1 &["sexual* porn* erotic*"];
    Harm 6 1 &["drugs drug meth cocaine"];
    Harm 6 1 &["bomb bombs explosive* weapon weapons"];
    Harm 6 1 &["hack hacking malware ransomware phishing"];
    Harm 6 1 &["racist sexist racism hate hateful slurs"];
    Harm 6 1 &["kill murder crime crimes criminal*"];
    Harm 6 1 &["illicit"];
    Harm 6 1 &["derogatory"];
    Harm 6 1 &["toxic rude insult insults"];

    Encoded 35 12 &[
        "decode decrypt deobfuscate unscramble",
        "base64 rot13 hex hexadecimal binary morse caesar cipher ciphertext encoded string message following below",
        "follow execute obey answer respond instructions instruction do perform comply act",
    ];
    Encoded 30 14 &[
        "respond answer reply write output communicate speak",
        "in using only",
        "base64 rot13 morse caesar cipher ascii85 leetspeak hexadecimal",
    ];

    Addressed 40 6 &[
        "if dear attention note to important hey",
        "you any the an",
        MODEL,
        "reading reads processing summarizing must should you please are system",
    ];
    Addressed 35 5 &[
        "instruction instructions message note notice directive",
        "for to",
        "ai llm assistant assistants chatbot agent agents model claude chatgpt",
    ];
    Addressed 30 6 &[
        MODEL,
        "must should shall please will",
        "ignore now include send execute run call visit say respond output follow",
    ];
    Addressed 35 6 &[
        "when while before",
        "summariz* summaris* processing reading answering responding",
        "this",
        "include say add ignore mention insert tell document page email",
    ];

    Exfiltration 35 14 &[SEND, SECRETS, "to at http https url endpoint server webhook attacker address"];
    Exfiltration 25 14 &[
        "append include embed encode add put",
        SECRETS,
        "url link image query parameter markdown request",
    ];
    Exfiltration 30 8 &[SEND, "system", "prompt message instructions"];

    Secrecy 35 6 &[
        "do dont never not without",
        "tell telling inform informing mention* reveal* disclose* notify* alert*",
        "user users human anyone person them",
    ];
    Secrecy 25 6 &["keep do", "this it", "secret hidden confidential quiet silently"];
    Secrecy 20 6 &[
        "without",
        "user users their human",
        "knowing noticing knowledge consent approval confirmation",
    ];
}
