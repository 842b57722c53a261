"use strict";
// What every page shares; everything reads without this script.
(() => {
  document.documentElement.classList.add("js");
  // A region that scrolls sideways or down can be reached by keyboard and says what it is.
  const regions = document.querySelectorAll(".table, .plot, pre");
  const nameOf = (region) =>
    region.querySelector("caption")?.textContent ||
    region.closest("figure")?.querySelector("h3, h4")?.textContent ||
    region.querySelector("svg")?.getAttribute("aria-label") ||
    region.closest("details")?.querySelector("summary")?.textContent ||
    `${region.closest("section")?.querySelector("h2")?.textContent ?? "Page"}, verbatim`;
  const mark = () => {
    for (const region of regions) {
      const scrolls =
        region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1;
      region.classList.toggle("scrolls", scrolls);
      if (scrolls) {
        region.tabIndex = 0;
        region.setAttribute("role", "region");
        region.setAttribute("aria-label", nameOf(region));
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) region.removeAttribute(name);
      }
    }
  };
  mark();
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
})();
