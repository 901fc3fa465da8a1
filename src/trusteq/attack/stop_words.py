"""English function words, a closed list: articles, pronouns, auxiliaries, prepositions, conjunctions, and the like."""

WORDS = """
a an the this that these those such same other another each every either neither both all any some no none one
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves who whom whose which what whoever whatever somebody someone
something anybody anyone anything nobody nothing everybody everyone everything
am is are was were be been being do does did doing done have has had having can could may might must shall should
will would ought
aboard about above across after against along amid among around as at before behind below beneath beside besides
between beyond by despite down during except for from in inside into like near of off on onto out outside over per
since through throughout till to toward towards under until up upon via with within without
and or nor but so yet if unless while whereas although though because than then whether when whenever where wherever
why how not only also too very just even still again once here there now ever never more most less least own few
many much
i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd i'll you'll
he'll she'll we'll they'll it'll it'd that's there's here's what's who's where's how's let's isn't aren't wasn't
weren't don't doesn't didn't haven't hasn't hadn't can't cannot couldn't mightn't mustn't shan't shouldn't won't
wouldn't needn't
"""

STOP_WORDS = frozenset(WORDS.split())
