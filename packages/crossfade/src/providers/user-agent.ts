/** Who asks, in every request of ours: the vendor's log tells by it our own requests from those of the app. */
export const USER_AGENT = 'crossfade';
