"""What KVM does with a confidential guest of AMD, whichever VMM starts it: VMSAs and refusals."""
