// Korean is part of the first load. English is loaded when it is chosen. The build compiles the messages.
import { nextTick } from 'vue'
import { createI18n, registerMessageResolver } from 'petite-vue-i18n'

import ko from './ko.json'

export const LANGUAGES = ['ko', 'en'] as const
export type Language = (typeof LANGUAGES)[number]
export type Messages = typeof ko

export const LOCALES: Record<Language, string> = { ko: 'ko-KR', en: 'en-US' }

// Messages are nested: `signIn.title`.
registerMessageResolver(
  (messages, path) =>
    path
      .split('.')
      .reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], messages) as string,
)

export const i18n = createI18n<[Messages], Language, false>({
  legacy: false,
  locale: 'ko',
  fallbackLocale: 'ko',
  messages: { ko } as Record<Language, Messages>,
})

export const { t } = i18n.global

export function currentLanguage(): Language {
  return i18n.global.locale.value
}

export function currentLocale(): string {
  return LOCALES[currentLanguage()]
}

/** Load the English messages. */
const english: (() => Promise<{ default: object }>)[] = [() => import('./en.json')]
let isEnglishWanted = false

async function addEnglish(load: () => Promise<{ default: object }>): Promise<void> {
  i18n.global.mergeLocaleMessage('en', (await load()).default)
}

export async function setLanguage(language: Language): Promise<void> {
  isEnglishWanted ||= language === 'en'
  if (language === 'en') await Promise.all(english.map(addEnglish))
  i18n.global.locale.value = language
  document.documentElement.lang = language
  await nextTick()
}

/** Adds many messages that are not part of the first load. The English ones are loaded when they are needed. */
export async function addManyMessages(korean: object, loadEnglish: () => Promise<{ default: object }>): Promise<void> {
  i18n.global.mergeLocaleMessage('ko', korean)
  english.push(loadEnglish)
  if (isEnglishWanted) await addEnglish(loadEnglish)
}

/** Adds messages that are not part of the first load. */
export function addMessages(messages: Record<Language, object>): void {
  for (const language of LANGUAGES) i18n.global.mergeLocaleMessage(language, messages[language])
}
