"""GPEN: GAN prior embedded network for blind face restoration (Yang et al., CVPR 2021), built clean-room."""
