import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'

const SOURCES = join(import.meta.dirname, '../../src')
/** The pages that are shown before the messages of signed-in users are loaded. */
const PAGES = ['SignInPage', 'SignUpPage', 'ForgotPasswordPage', 'ResetPasswordPage']
/** The router imports all pages, and `parts` those of signed-in users. */
const OTHERS = ['router.ts', 'parts.ts'].map((name) => join(SOURCES, name))

/** Adds the files that a file loads, directly or through others. */
function addLoaded(file: string, loaded: Set<string>): void {
  if (loaded.has(file) || OTHERS.includes(file)) return
  loaded.add(file)
  if (file.endsWith('.json')) return
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const target = join(dirname(file), path!)
    const found = [target, `${target}.ts`, join(target, 'index.ts')].find(
      (it) => /\.(ts|vue|json)$/.test(it) && existsSync(it),
    )
    if (found) addLoaded(found, loaded)
  }
}

/** The keys of messages, such as `signIn.title`. */
function keysOf(messages: object, prefix = ''): string[] {
  return Object.entries(messages).flatMap(([key, value]) =>
    typeof value === 'object' ? keysOf(value as object, `${prefix}${key}.`) : [prefix + key],
  )
}

it.each(PAGES)('every message of %s is there for somebody who is not signed in', (page) => {
  const loaded = new Set<string>()
  addLoaded(join(SOURCES, 'auth', `${page}.vue`), loaded)
  const files = [...loaded].map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  const korean = files.filter(({ file }) => file.endsWith('ko.json'))
  const present = new Set(korean.flatMap(({ text }) => keysOf(JSON.parse(text) as object)))
  const used = files.flatMap(({ text }) => [...text.matchAll(/\bt\(\s*'([\w.]+)'/g)].map(([, key]) => key!))
  expect(used.length).toBeGreaterThan(5)
  expect(used.filter((key) => !present.has(key))).toEqual([])
})
