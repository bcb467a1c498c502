import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { i18n } from '../../src/i18n'
import { useFormat } from '../../src/i18n/format'

const read = (path: string) => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8')

type Tree = { [key: string]: string | Tree }

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === 'string' ? [[prefix + key, value] as const] : [...flatten(value, `${prefix}${key}.`)],
    ),
  )
}

/** All messages of a language, those of some pages included. */
function messagesIn(language: string): Map<string, string> {
  const files = readdirSync(new URL('../../src/i18n', import.meta.url)).filter((file) =>
    new RegExp(`^(\\w+\\.)?${language}\\.json$`).test(file),
  )
  return new Map(files.flatMap((file) => [...flatten(JSON.parse(read(`i18n/${file}`)))]))
}

const ko = messagesIn('ko')
const en = messagesIn('en')
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()

describe('messages', () => {
  it('have the same keys and placeholders in both languages', () => {
    expect([...en.keys()].sort()).toEqual([...ko.keys()].sort())
    for (const [key, text] of ko) {
      // In each plural form.
      for (const form of en.get(key)!.split(' | ')) expect([key, placeholders(form)]).toEqual([key, placeholders(text)])
    }
  })

  it.each([
    [0, '0 kinds', '0 pieces'],
    [1, '1 kind', '1 piece'],
    [2, '2 kinds', '2 pieces'],
    [1000, '1,000 kinds', '1,000 pieces'],
  ])('have plural forms in English: %d', async (count, kinds, pieces) => {
    i18n.global.locale.value = 'en'
    const { counted } = useFormat()
    expect([counted('cart.kinds', count), counted('cart.pieces', count)]).toEqual([kinds, pieces])
    expect(counted('order.pieces', count)).toBe(pieces)
    i18n.global.locale.value = 'ko'
    expect(counted('cart.kinds', count)).toBe(`${count.toLocaleString('en-US')}가지`)
  })

  it('have no fixed plural after a number in English', () => {
    const fixed = [...en].filter(
      ([, text]) => !text.includes(' | ') && /\{(count|kinds|pieces|quantity)\} \w+s\b/.test(text),
    )
    expect(fixed).toEqual([])
  })

  it('exist for every key in the code', () => {
    const files = readdirSync(new URL('../../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    const used = files
      .filter((file) => /\.(vue|ts)$/.test(file) && !file.endsWith('.d.ts'))
      .flatMap((file) =>
        [...read(file).matchAll(/\bt\(\s*(?:\w+ \? )?(['`])([\w.${}[\]-]+)\1/g)].map((match) => ({
          file,
          key: match[2]!,
        })),
      )
    expect(used.length).toBeGreaterThan(100)
    for (const { file, key } of used) {
      // `orderStatus.${status}` stands for any message below orderStatus.
      const [start] = key.split('${')
      const found = start === key ? ko.has(key) : [...ko.keys()].some((known) => known.startsWith(start!))
      expect([file, key, found]).toEqual([file, key, true])
    }
  })
})
