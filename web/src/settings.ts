// The language and the theme, stored in the browser.
import { useLocalStorage } from '@vueuse/core'
import { defineStore } from 'pinia'
import { watch } from 'vue'

import { LANGUAGES, setLanguage, type Language } from './i18n'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export const useSettings = defineStore('settings', () => {
  const language = useLocalStorage<Language>('snack.language', 'ko')
  const theme = useLocalStorage<Theme>('snack.theme', 'system')
  if (!LANGUAGES.includes(language.value)) language.value = 'ko'
  if (!THEMES.includes(theme.value)) theme.value = 'system'

  watch(theme, (chosen) => (document.documentElement.dataset.theme = chosen), { immediate: true })
  watch(language, setLanguage)

  return { language, theme }
})
