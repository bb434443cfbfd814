"""Maps as pictures and sound, for the API and the command line. numpy, no torch."""
