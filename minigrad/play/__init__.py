"""The playground: three scenes with sliders, in the browser. Every number on the page is computed here, by minigrad."""
