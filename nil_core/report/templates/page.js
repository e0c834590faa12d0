(() => {
  "use strict";
  const videos = [...document.querySelectorAll("video")];
  const play = document.getElementById("play"), scrub = document.getElementById("scrub"), time = document.getElementById("time");
  if (!videos.length || !play) return;
  const DRIFT = 0.08; // seconds; about two frames
  let playing = false;
  const length = video => (Number.isFinite(video.duration) ? video.duration : 0);
  const leader = () => videos.reduce((a, b) => (length(b) > length(a) ? b : a)); // the longest sets the time
  const show = () => {
    const first = leader(), now = first.currentTime;
    if (length(first)) scrub.value = 1000 * now / length(first);
    time.textContent = now.toFixed(1) + " s";
  };
  const seek = seconds => {
    for (const video of videos) video.currentTime = Math.min(seconds, length(video));
  };
  const start = video => { const promise = video.play(); if (promise) promise.catch(() => {}); };
  const step = () => {
    if (!playing) return;
    const first = leader();
    if (first.ended) { seek(0); videos.forEach(start); }
    for (const video of videos) {
      if (video !== first && first.currentTime < length(video) && Math.abs(video.currentTime - first.currentTime) > DRIFT) {
        video.currentTime = first.currentTime;
      }
    }
    show();
    requestAnimationFrame(step);
  };
  const set = on => {
    playing = on;
    play.textContent = on ? "Pause" : "Play";
    if (on) {
      if (leader().ended) seek(0);
      videos.forEach(video => { if (!video.ended) start(video); });
      requestAnimationFrame(step);
    } else {
      videos.forEach(video => video.pause());
      seek(leader().currentTime);
      show();
    }
  };
  play.addEventListener("click", () => set(!playing));
  scrub.addEventListener("input", () => {
    const seconds = scrub.value / 1000 * length(leader()); // read before set(), which writes it
    set(false);
    seek(seconds);
    time.textContent = seconds.toFixed(1) + " s";
    scrub.value = 1000 * seconds / (length(leader()) || 1);
  });
  document.documentElement.dataset.videos = videos.length;
})();
