import { watch } from 'vue'

import { t } from '../i18n'

/** Shows the name of what a page is about in the title of the window, once it is known. */
export function useDocumentTitle(name: () => string | undefined): void {
  watch(
    () => name() && `${name()} · ${t('app.name')}`,
    (title) => {
      if (title) document.title = title
    },
    // After the title of the page.
    { immediate: true, flush: 'post' },
  )
}
