import { ref } from 'vue'

/** True while changes are asked for every 15 s, because the stream is down. */
export const isDown = ref(false)
