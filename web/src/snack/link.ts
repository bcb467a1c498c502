// The link in a pasted text. Shopping apps share links with the name of the product around them.

/** A link ends at white space, quotes and brackets. */
const LINK = /https?:\/\/[^\s<>"“”「」『』]+/i
const WITHOUT_SCHEME = /(?:^|\s)(www\.[^\s<>"“”「」『』]+)/i
/** Punctuation at the end belongs to the sentence. A closing bracket may belong to the link: see below. */
const SENTENCE_END = /[.,;:!?'’…。、，]+$/

/** The first http(s) link in `text`, with its scheme. Null if there is none. */
export function findLink(text: string): string | null {
  const found = LINK.exec(text)?.[0]
  if (found) return withoutSentence(found)
  const bare = WITHOUT_SCHEME.exec(text)?.[1]
  return bare ? `https://${withoutSentence(bare)}` : null
}

function withoutSentence(text: string): string {
  let link = text.replace(SENTENCE_END, '')
  for (const [opening, closing] of ['()', '[]']) {
    // The bracket was opened before the link.
    while (link.endsWith(closing!) && link.split(closing!).length > link.split(opening!).length) {
      link = link.slice(0, -1).replace(SENTENCE_END, '')
    }
  }
  return link
}
