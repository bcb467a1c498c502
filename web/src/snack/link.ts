// The address of a shop, as people paste it: shops' apps share it with the name of the snack around it.

/** White space ends an address, and so do the quotes and brackets that text puts around it. */
const ADDRESS = /https?:\/\/[^\s<>"“”「」『』]+/i
const WITHOUT_SCHEME = /(?:^|\s)(www\.[^\s<>"“”「」『』]+)/i
/** Punctuation at the end belongs to the sentence. A closing bracket may belong to the address: see below. */
const SENTENCE_END = /[.,;:!?'’…。、，]+$/

/** The first http(s) address in `text`, with its scheme. Null where there is none. */
export function findLink(text: string): string | null {
  const found = ADDRESS.exec(text)?.[0]
  if (found) return withoutSentence(found)
  const bare = WITHOUT_SCHEME.exec(text)?.[1]
  return bare ? `https://${withoutSentence(bare)}` : null
}

function withoutSentence(address: string): string {
  let link = address.replace(SENTENCE_END, '')
  for (const [opening, closing] of ['()', '[]']) {
    // One that was opened before the address.
    while (link.endsWith(closing!) && link.split(closing!).length > link.split(opening!).length) {
      link = link.slice(0, -1).replace(SENTENCE_END, '')
    }
  }
  return link
}
