//! The word lists behind the features: frequent words by language, and phrases by what they tell.

use super::text::Category;
use super::text::Category as C;

/// The most frequent words of each language that few others share: English, German, French, Spanish,
/// Italian, Portuguese, Dutch, Swedish and Danish, Polish, Czech, Turkish, Indonesian, Vietnamese,
/// Romanian, Finnish, Russian, Ukrainian.
pub(super) const STOP_WORDS: [&str; 17] = [
    "the of and to is that it for with as are on this be was have from or by not at you which an they",
    "der die das und ist nicht ein eine zu den mit von für auf dem des sich auch es wird sind als im",
    "le la les et des est une dans que qui pour pas sur du au avec ce il sont nous vous cette ou par",
    "el los las y es una que en por con para del se su al como más lo pero son este esta",
    "il di che è un una per non con sono del della le gli si come ma anche questo nel alla dei",
    "o os as e é um uma que em para com não do da dos das por mais como se no na ao são foi",
    "de het een en van is dat niet op te zijn voor met die aan er ook als maar bij naar wordt",
    "och att det som är på för av med den till inte om ett jag har og af ikke til der",
    "i w na z nie się że do jest to jak ale po co dla są przez tego od czy oraz być",
    "a se na že je v to s ale jako jsem pro by si jsou nebo když který což není také",
    "ve bir bu için ile da de çok olarak gibi daha ne var olan değil ama kadar veya sonra ben",
    "yang dan di dengan untuk dari ini itu adalah tidak pada ke dalam akan atau juga saya bisa karena",
    "và là của có không được cho trong một các người những với để này tôi khi đã về như",
    "și de la în a că nu este cu un o pe din pentru sunt mai care ce sau au",
    "ja on ei että se oli hän mutta ovat kun niin kuin tai myös joka mitä ole voi sen jos",
    "и в не на что с по это как а то из за для но от все его она был так же у",
    "і в не на що з та як до це за для від але про його вона був так же є у",
];

/// Phrases by category, `|` between them; characters of scripts without blanks are words of their own.
pub(super) const PHRASES: &[(Category, &str)] = &[
    (
        C::Refusal,
        "i can't|i cannot|i can not|i am unable|i'm unable|i am not able|i'm not able|i won't|i will not|\
         unable to|not able to|i must decline|can't assist|cannot assist|can't help|cannot help|can't provide|\
         cannot provide|cannot fulfill|can't fulfill|not appropriate|against my|i do not have access|\
         i don't have access|i don't have the ability|i do not have the ability|i don't have enough|\
         not comfortable|i refuse|ich kann nicht|ich kann leider|kann ich nicht|leider nicht|je ne peux|\
         je ne suis pas en mesure|no puedo|no me es posible|lo siento pero|non posso|não posso|não consigo|\
         ik kan niet|jag kan inte|nie mogę|nemohu|yapamam|tidak dapat|không thể|nu pot|я не могу|не могу|\
         не можу|我不能|我无法|无法提供|不能提供|抱歉我|申し訳ありませんが|できません|お答えできません|할 수 없습니다|죄송하지만|لا أستطيع|لا يمكنني",
    ),
    (
        C::Apology,
        "sorry|i apologize|i apologise|apologies|my apologies|unfortunately|regret|leider|entschuldigung|\
         es tut mir leid|désolé|désolée|malheureusement|je m'excuse|lo siento|disculpa|lamentablemente|perdón|\
         mi dispiace|purtroppo|desculpe|infelizmente|sinto muito|helaas|sorry maar|tyvärr|przepraszam|niestety|\
         bohužel|omlouvám|üzgünüm|maaf|xin lỗi|din păcate|извините|к сожалению|на жаль|вибачте|抱歉|对不起|\
         很遗憾|申し訳|すみません|残念ながら|죄송|آسف|للأسف",
    ),
    (
        C::SelfReference,
        "as an ai|as a language model|as an artificial|language model|i'm an ai|i am an ai|i am a language|\
         an ai assistant|ai language|i'm just an|i don't have personal|i do not have personal|my training data|\
         my knowledge|knowledge cutoff|openai|chatgpt|open assistant|als ki|ein sprachmodell|als künstliche|\
         en tant qu'ia|modèle de langage|en tant que modèle|como ia|modelo de lenguaje|como un modelo|\
         como modelo|modello linguistico|modelo de linguagem|taalmodel|языковая модель|как ии|\
         作为一个|作为人工智能|语言模型|AIとして|言語モデル|AI로서|언어 모델|نموذج لغوي",
    ),
    (
        C::Hedge,
        "maybe|perhaps|probably|possibly|might|may|could be|it seems|seems|likely|unlikely|it depends|depends|\
         generally|usually|often|sometimes|somewhat|i think|i believe|i guess|in my opinion|it is possible|\
         not sure|unclear|approximately|roughly|vielleicht|wahrscheinlich|möglicherweise|peut-être|\
         probablement|quizás|tal vez|probablemente|forse|talvez|misschien|możliwe|возможно|может быть|\
         也许|可能|かもしれ|아마",
    ),
    (
        C::Certainty,
        "certainly|definitely|absolutely|clearly|obviously|always|never|must|no doubt|undoubtedly|of course|\
         in fact|indeed|exactly|surely|everyone|nobody|sicher|natürlich|immer|toujours|jamais|siempre|nunca|\
         sempre|конечно|всегда|никогда|当然|必须|必ず|もちろん|물론",
    ),
    (
        C::Opening,
        "sure|certainly here|of course here|great question|good question|here is|here are|here's|happy to|\
         i'd be|absolutely|thank you for|thanks for|hello|hi|gerne|hier ist|bien sûr|voici|claro|aquí|\
         certo|ecco|claro que|com certeza|конечно|вот|当然可以|好的|以下是|もちろん|물론",
    ),
    (
        C::Closing,
        "hope this helps|hope that helps|let me know|feel free|any other questions|any further questions|\
         further questions|happy to help|glad to help|if you have any|good luck|is there anything|\
         don't hesitate|ich hoffe|n'hésitez pas|j'espère|espero que|spero che|если у вас|希望|如果您|\
         お役に立|도움이",
    ),
    (
        C::Connective,
        "because|therefore|however|thus|hence|although|though|since|while|whereas|moreover|furthermore|\
         in addition|additionally|for example|for instance|such as|as a result|so that|in order to|\
         on the other hand|firstly|secondly|finally|in conclusion|overall|consequently|nevertheless|instead|\
         unless|according to|weil|deshalb|jedoch|obwohl|zum beispiel|außerdem|daher|parce que|donc|cependant|\
         par exemple|porque|sin embargo|por ejemplo|además|por lo tanto|perché|quindi|tuttavia|ad esempio|\
         portanto|por exemplo|omdat|echter|потому что|поэтому|однако|например|因为|所以|但是|例如|因此|\
         しかし|例えば|したがって|하지만|예를 들어|따라서",
    ),
    (
        C::FirstPerson,
        "i|my|me|mine|myself|we|our|us|ich|mein|wir|je|mon|nous|yo|mi|nosotros|io|eu|я|мы|我|我们|私",
    ),
    (C::SecondPerson, "you|your|yours|yourself|du|dein|sie|ihr|tu|vous|votre|usted|tú|você|вы|ты|你|您"),
    (
        C::Negation,
        "not|no|never|none|nothing|nobody|n't|don t|doesn t|isn t|can t|won t|didn t|aren t|wasn t|without|nor|\
         nicht|kein|keine|ne pas|pas|non|sin|não|niet|nie|не|нет|不|没有|ない|않",
    ),
    (
        C::Informal,
        "u|ur|r|plz|pls|lol|omg|gonna|wanna|gotta|kinda|dont|cant|wont|im|ive|doesnt|isnt|didnt|thats|whats|\
         bcoz|coz|cuz|cos|becuz|yeah|yea|yep|nope|ok|okay|btw|tho|thru|hey|wow|haha|hahaha|guys|stuff|alot|\
         ppl|idk|b|n|wat|dat|da|shouldnt|wouldnt|couldnt|theyre|youre|ya|yall|etc",
    ),
    (
        C::Rude,
        "stupid|idiot|idiots|dumb|shut up|hell|damn|fuck|fucking|shit|crap|ass|asshole|bitch|moron|sucks|\
         ridiculous|retarded|bullshit|loser|pathetic",
    ),
    (
        C::QuestionWord,
        "what|why|how|when|where|who|which|whose|whom|was|warum|wie|wann|wo|wer|welche|quoi|pourquoi|comment|\
         quand|où|qui|quel|quelle|qué|por qué|cómo|cuándo|dónde|quién|cuál|cosa|perché|come|quando|dove|chi|\
         quale|o que|qual|quem|onde|wat|waarom|hoe|что|почему|как|когда|где|кто|какой|什么|为什么|怎么|如何|\
         谁|哪|何|なぜ|どう|いつ|どこ|誰|무엇|왜|어떻게|언제|어디|누구|ما|لماذا|كيف|متى|أين",
    ),
    (
        C::YesNo,
        "is it|is there|are there|are you|do you|does|did|can you|can i|could you|should|will|would|has|have you|\
         is the|is this|ist es|gibt es|kann|soll|est-ce|es posible|è possibile|吗|ですか|можно ли",
    ),
    (
        C::Code,
        "code|python|javascript|java|function|program|script|sql|html|css|c|rust|golang|bash|regex|api|algorithm|\
         debug|compile|class|def|import|json|react|query|database|linux|git|excel|formula|代码|函数|コード|코드|код",
    ),
    (
        C::Mathematics,
        "calculate|solve|equation|sum|probability|integral|derivative|prove|proof|math|percent|percentage|\
         how many|how much|multiply|divide|plus|minus|square|triangle|theorem|计算|方程|berechne|calculer|\
         calcular|вычисли|計算|계산",
    ),
    (
        C::List,
        "list|bullet|bullets|top|ways|steps|step by step|ideas|examples|tips|recommend|suggest|suggestions|table|\
         enumerate|names|liste|lista|列出|列表|リスト|список|목록",
    ),
    (
        C::Translation,
        "translate|translation|translating|traduce|traduire|traduzir|übersetze|übersetzen|in english|in spanish|\
         in french|in german|in chinese|in japanese|into english|翻译|翻訳|번역|переведи|перевод",
    ),
    (
        C::Creative,
        "story|poem|haiku|song|lyrics|joke|novel|fiction|imagine|creative|rhyme|sonnet|scene|dialogue|rap|limerick|\
         tale|funny|geschichte|gedicht|histoire|poème|historia|cuento|poema|storia|история|стих|故事|诗|笑话|\
         物語|詩|이야기|시",
    ),
    (
        C::Summary,
        "summarize|summarise|summary|tl dr|tldr|main points|key points|zusammenfassung|résumé|résumer|resumen|\
         resumir|riassunto|总结|摘要|要約|요약|резюме",
    ),
    (
        C::Explanation,
        "explain|describe|difference between|compare|meaning|define|definition|tell me about|what is|what are|\
         erkläre|expliquer|explique|explicar|explica|spiega|объясни|解释|介绍|説明|설명",
    ),
    (
        C::Rewriting,
        "rewrite|rephrase|paraphrase|improve|correct|proofread|edit|grammar|fix|convert|change|make it|\
         the following|given|replace|extract|identify|classify|generate|umschreiben|reformuler|reescribe|改写|修改|\
         書き換え|перепиши",
    ),
    (
        C::Choice,
        "or|choose|best|better|which one|versus|vs|option|options|prefer|oder|ou|或者|还是|または|или",
    ),
    (
        C::RolePlay,
        "you are a|you are an|act as|pretend|role|roleplay|character|persona|simulate|play the|du bist|tu es|\
         eres|ты|你是|扮演|あなたは",
    ),
    (
        C::Short,
        "short|brief|briefly|concise|one word|one sentence|in a sentence|two sentences|words or less|only|just|\
         simple|quick|kurz|court|brève|corto|breve|简短|短い|짧게|кратко",
    ),
    (
        C::Long,
        "detailed|detail|essay|long|comprehensive|thorough|in depth|paragraph|paragraphs|article|report|words|\
         elaborate|ausführlich|détaillé|detallado|dettagliato|详细|詳しく|подробно|자세히",
    ),
];
