import { useEventListener } from '@vueuse/core'
import { ref } from 'vue'

/** Calls `take` with a file that is dropped or pasted anywhere on the page. */
export function useDroppedFile(take: (file: File) => void) {
  const isDraggedOver = ref(false)

  // A drop beside the field would make the browser open the picture instead of the page.
  useEventListener(document, 'dragover', (event: DragEvent) => {
    event.preventDefault()
    isDraggedOver.value = true
  })
  useEventListener(document, 'dragleave', () => (isDraggedOver.value = false))
  useEventListener(document, 'drop', (event: DragEvent) => {
    event.preventDefault()
    isDraggedOver.value = false
    const file = event.dataTransfer?.files[0]
    if (file) take(file)
  })
  // Text is pasted as usual. A spreadsheet adds a picture of its cells to their text.
  useEventListener(document, 'paste', (event: ClipboardEvent) => {
    const file = event.clipboardData?.files[0]
    if (!file || event.clipboardData?.types.includes('text/plain')) return
    event.preventDefault()
    take(file)
  })

  return isDraggedOver
}
