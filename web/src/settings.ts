// The language and the theme, stored in the browser.
import { defineStore } from 'pinia'
import { ref, watch, type Ref } from 'vue'

import { LANGUAGES, setLanguage, type Language } from './i18n'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

/** One of `values`, the first one until another is chosen here or in another tab. */
function useStored<Value extends string>(key: string, values: readonly [Value, ...Value[]]): Ref<Value> {
  const read = () => values.find((value) => value === localStorage.getItem(key)) ?? values[0]
  const chosen = ref(read()) as Ref<Value>
  watch(chosen, (value) => localStorage.setItem(key, value), { flush: 'sync' })
  // The key is null if the whole storage was cleared.
  window.addEventListener('storage', (event) => {
    if (event.key === key || event.key === null) chosen.value = read()
  })
  return chosen
}

export const useSettings = defineStore('settings', () => {
  const language = useStored<Language>('snack.language', LANGUAGES)
  const theme = useStored<Theme>('snack.theme', THEMES)

  watch(theme, (chosen) => (document.documentElement.dataset.theme = chosen), { immediate: true })
  watch(language, setLanguage)

  return { language, theme }
})
